/** Whether a port can be had, found out before anything is built to listen on it. */
import { createUwsApp, listenExclusive } from './uws.ts';

/**
 * Takes the port as it will be listened on, and gives it free again: nobody else has it, which workers that
 * are to share it could not tell. Resolves with the port really meant, for 0 a free one.
 *
 * @throws ListenError with one sentence when it cannot be had
 */
export async function findPort(host: string, port: number): Promise<number> {
  const app = createUwsApp();
  try {
    const listening = await listenExclusive(app, host, port);
    listening.stop();
    return listening.port;
  } finally {
    app.close();
  }
}
