/** The port that workers are about to share. */
import { createUwsApp, listenExclusive, type TlsFiles } from '../realtime/uws.ts';

/**
 * Makes sure that nobody else has the port, which the workers could not tell: among them it is to be
 * shared. Returns the port really meant, for 0 a free one.
 *
 * @throws Error with one sentence when it is taken, or the TLS files cannot be used
 */
export async function findPort(host: string, port: number, tls: TlsFiles | null): Promise<number> {
  const app = createUwsApp(tls);
  try {
    const listening = await listenExclusive(app, host, port);
    listening.stop();
    return listening.port;
  } finally {
    app.close();
  }
}
