/**
 * The realtime layer alone, for conformance suites of whatever origin:
 * `npm run conformance-server -- --port N`.
 *
 * At `/engine.io/` every Engine.IO message comes back as it was. At `/socket.io/`, on `/` and
 * `/custom`: `auth` with the handshake's auth is emitted on connection, `message` is answered with
 * `message-back` and the same arguments, `message-with-ack` is acknowledged with the same arguments.
 */

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { SOCKET_SERVER_LIMITS } from '../bounds/realtime.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../bounds/shared.ts';
import { createMemoryBudget, type MemoryBudget } from '../shared/memory-budget.ts';
import type { RealtimeLog } from './engine-log.ts';
import { createEngineServer, type EngineServer } from './engine-server.ts';
import type { NamespaceHandler } from './socket.ts';
import { createSocketServer, type SocketServer, type SocketServerLimits } from './socket-server.ts';
import { createUwsApp, listenExclusive } from './uws.ts';

/** Short times, so that a suite can wait for them. */
export const CONFORMANCE_LIMITS: SocketServerLimits = {
  ...SOCKET_SERVER_LIMITS,
  pingIntervalMs: 300,
  pingTimeoutMs: 200,
  maxPayloadBytes: 1_000_000,
  connectTimeoutMs: 1_000,
};

export interface ConformanceServer {
  readonly port: number;
  readonly engine: EngineServer<unknown>;
  readonly sockets: SocketServer;
  readonly memory: MemoryBudget;
  close(): Promise<void>;
}

export interface ConformanceOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits?: Partial<SocketServerLimits>;
  readonly corsOrigins?: '*' | readonly string[];
  readonly log?: RealtimeLog;
  readonly maxHeldBytes?: number;
}

const echo: NamespaceHandler = {
  onConnect: (_socket, handshake) => handshake.auth,
  onConnected: (socket) => socket.emit('auth', socket.data),
  onEvent(socket, event, args, ack) {
    if (event === 'message') socket.emit('message-back', ...args);
    else if (event === 'message-with-ack') ack?.(...args);
  },
};

/** Starts the server; it has no state that outlives `close`. */
export async function startConformanceServer(
  options: ConformanceOptions,
): Promise<ConformanceServer> {
  const { host = '', port, corsOrigins = '*', log = console } = options;
  const { maxHeldBytes = DEFAULT_MAX_HELD_BYTES } = options;
  const limits = { ...CONFORMANCE_LIMITS, ...options.limits };
  const app = createUwsApp();
  const memory = createMemoryBudget(maxHeldBytes);
  const engine = createEngineServer<unknown>({
    app,
    path: '/engine.io/',
    limits,
    corsOrigins,
    log,
    memory,
    handler: {
      onSession: (session) => engine.identified(session, true),
      onMessage: (session, data) => session.send(typeof data === 'string' ? `4${data}` : data),
      onControl: () => undefined,
      onClose: () => undefined,
    },
  });
  const sockets = createSocketServer({
    app,
    path: '/socket.io/',
    limits,
    corsOrigins,
    log,
    memory,
  });
  sockets.mount('/', echo);
  sockets.mount('/custom', echo);
  const listening = await listenExclusive(app, host, port);
  return {
    port: listening.port,
    engine,
    sockets,
    memory,
    async close() {
      listening.stop();
      await Promise.all([engine.close(), sockets.close()]);
      app.close();
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '3000' } } });
  const server = await startConformanceServer({ port: Number(values.port) });
  process.stdout.write(`Conformance server on port ${server.port}\n`);
  const stop = (): void => void server.close();
  process.once('SIGINT', stop).once('SIGTERM', stop);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main();
}
