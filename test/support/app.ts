/** The whole service inside the test's process, on a free port, and stock clients that talk to it. */
import { randomUUID } from 'node:crypto';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { type App, startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { keepLog, MIN_SECRET_LENGTH, noteContent, noteSecret } from './kept-logs.ts';
import { once } from './wait.ts';

export interface TestApp extends App {
  readonly url: string;
  /** A stock client; closed with the app. Its options are the client's own defaults. */
  connect(userId: string, options?: Partial<ManagerOptions & SocketOptions>): Socket;
}

/**
 * Starts the service on `databaseUrl` with these settings over the defaults. Everything it logs, at
 * every level, is kept and searched for secrets.
 */
export async function startTestApp(
  databaseUrl: string,
  env: Record<string, string> = {},
  { ownDatabase = false } = {},
): Promise<TestApp> {
  const config = readConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    NODE_ENV: 'test',
    DATABASE_POOL_MAX: '4',
    DRAIN_GRACE_MS: '0',
    ...env,
  });
  const kept = keepLog({ ...env, DATABASE_URL: databaseUrl });
  const log = createLog({ level: 'trace', pretty: false }, kept);
  const canary = randomUUID();
  kept.mustHold(canary);
  log.trace({ canary }, 'a service of the tests');
  const app = await startApp({ config, databaseUrl, ownDatabase, version: '0.0.0-test', log });
  const url = `http://127.0.0.1:${app.port}`;
  const clients: Socket[] = [];
  return {
    port: app.port,
    metricsPort: app.metricsPort,
    url,
    connect(userId, options = {}) {
      for (const given of [options.auth, options.query]) {
        const token: unknown = typeof given === 'object' ? given.token : undefined;
        if (typeof token === 'string' && token.length >= MIN_SECRET_LENGTH) noteSecret(token);
      }
      const client = io(url, { forceNew: true, query: { userId }, ...options });
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await app.stop();
    },
  };
}

/** What a command was answered with: the data, or the error's code. */
export interface Answer {
  success: boolean;
  data: Record<string, unknown>;
  error: { code: string; message: string; retry_after?: number };
}

/** Emits and waits for the acknowledgement. */
export function ask(client: Socket, event: string, payload?: unknown): Promise<Answer> {
  noteContent(payload);
  return client.timeout(10_000).emitWithAck(event, payload);
}

/** Every payload of `event` from now on, in the order of arrival. */
export function collect<T = Record<string, unknown>>(client: Socket, event: string): T[] {
  const seen: T[] = [];
  client.on(event, (payload: T) => seen.push(payload));
  return seen;
}

/** Resolves once the client is connected. */
export async function connected(client: Socket): Promise<void> {
  if (!client.connected) await once(client, 'connect', 10_000);
}
