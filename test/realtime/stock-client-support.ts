// An echo server for the stock client, which keeps what it saw, and clients that end with the test.

import {
  type Socket as ClientSocket,
  io,
  type ManagerOptions,
  type SocketOptions,
} from 'socket.io-client';
import { afterEach } from 'vitest';
import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import type { Handshake, NamespaceHandler, Socket } from '../../src/realtime/socket.ts';
import {
  createSocketServer,
  type SocketServer,
  type SocketServerLimits,
} from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { collectingLog } from '../conformance/support.ts';
import { once, waitFor } from '../support/wait.ts';

export type Options = Partial<ManagerOptions & SocketOptions>;

/** Run after each test, the last one first. */
export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that echoes, and keeps what it saw. */
export interface Served {
  server: SocketServer;
  port: number;
  url: string;
  /** Connected sockets, in order. */
  sockets: Socket[];
  handshakes: Handshake[];
  /** Events in the order of arrival, as [event, ...args]. */
  events: unknown[][];
  /** Why sockets went, in order. */
  gone: string[];
  errors: unknown[];
  stop(): Promise<void>;
}

export interface ServeOptions {
  limits?: Partial<SocketServerLimits>;
  port?: number;
  onConnected?: (socket: Socket) => void;
  /** Replaces the echo: acknowledge with the same arguments. */
  onEvent?: NamespaceHandler['onEvent'];
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const app = createUwsApp();
  const log = collectingLog();
  const sockets: Socket[] = [];
  const handshakes: Handshake[] = [];
  const events: unknown[][] = [];
  const gone: string[] = [];
  const handler: NamespaceHandler = {
    onConnect: (_socket, handshake) => void handshakes.push(handshake),
    onConnected(socket) {
      sockets.push(socket);
      options.onConnected?.(socket);
    },
    onEvent(socket, event, args, ack) {
      events.push([event, ...args]);
      if (options.onEvent === undefined) ack?.(...args);
      else return options.onEvent(socket, event, args, ack);
    },
    onDisconnect: (_socket, reason) => void gone.push(reason),
  };
  const server = createSocketServer({
    app,
    path: '/socket.io/',
    limits: { ...SOCKET_SERVER_LIMITS, ...options.limits },
    corsOrigins: '*',
    log,
  });
  server.mount('/', handler);
  server.mount('/custom', handler);
  const listening = await listenExclusive(app, '127.0.0.1', options.port ?? 0);
  const { port } = listening;
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      listening.stop();
      await server.drain({ overMs: 0, finishMs: 1_000 });
      await server.close();
      app.close();
    })();
    return stopping;
  };
  cleanups.push(stop);
  const url = `http://127.0.0.1:${port}`;
  return { server, port, url, sockets, handshakes, events, gone, errors: log.errors, stop };
}

export function connect(url: string, options: Options = {}): ClientSocket {
  const client = io(url, { forceNew: true, reconnectionDelay: 20, ...options });
  cleanups.push(() => client.disconnect());
  return client;
}

export async function connected(
  url: string,
  options: Options = {},
  transport?: string,
): Promise<ClientSocket> {
  const client = connect(url, options);
  await once(client, 'connect');
  if (transport !== undefined) await settled(client, transport);
  return client;
}

export const settled = (client: ClientSocket, transport: string): Promise<unknown> =>
  waitFor(() => client.io.engine.transport.name === transport, { what: transport });

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Each way to connect: its name, its options, and the transport it settles on. */
export const TRANSPORTS: readonly [string, Options, 'polling' | 'websocket'][] = [
  ['polling', { transports: ['polling'] }, 'polling'],
  ['websocket', { transports: ['websocket'] }, 'websocket'],
  ['the default transports', {}, 'websocket'],
];

/**
 * What a client is told when the server or the network ends its connection. Over polling it learns
 * it from its GET or from its POST, whichever is first.
 */
export const LOST = { polling: /^transport (close|error)$/, websocket: /^transport close$/ };
