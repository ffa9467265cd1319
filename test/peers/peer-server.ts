/** A realtime layer with peers and without a chat: what a node is to a client's transport. */
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../../src/bounds/shared.ts';
import { createPeerNode, type PeerNode } from '../../src/peers/peers.ts';
import { type ConnectionCap, createConnectionCap } from '../../src/realtime/connection-cap.ts';
import type { NamespaceHandler, Socket } from '../../src/realtime/socket.ts';
import {
  createSocketServer,
  type SocketServer,
  type SocketServerLimits,
} from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget, type MemoryBudget } from '../../src/shared/memory-budget.ts';
import { collectingLog, parseOpen, request } from '../conformance/support.ts';
import { openRedisServer, redisUrl } from '../support/redis.ts';

export const TOPIC = 'everybody';

export interface PeerServer {
  readonly port: number;
  readonly server: SocketServer;
  readonly node: PeerNode;
  readonly connections: ConnectionCap;
  readonly memory: MemoryBudget;
  /** By the public id, as `40{"sid":…}` tells it. */
  readonly sockets: ReadonlyMap<string, Socket>;
  readonly errors: readonly unknown[];
  stop(): Promise<void>;
}

export interface PeerServerOptions {
  readonly prefix: string;
  readonly redis?: string;
  readonly limits?: Partial<SocketServerLimits>;
  readonly corsOrigins?: '*' | readonly string[];
  /** Connections at once; left out: as many as come. */
  readonly maxConnections?: number;
  readonly maxHeldBytes?: number;
}

/** Everybody who connects joins TOPIC; `message` comes back as `message-back`. */
export async function startPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const limits: SocketServerLimits = { ...SOCKET_SERVER_LIMITS, ...options.limits };
  const log = collectingLog();
  const sockets = new Map<string, Socket>();
  const namespace: NamespaceHandler = {
    onConnect: () => undefined,
    onConnected(socket) {
      sockets.set(socket.id, socket);
      socket.join(TOPIC);
    },
    onEvent: (socket, event, args) => {
      if (event === 'message') socket.emit('message-back', ...args);
    },
    onDisconnect: (socket) => void sockets.delete(socket.id),
  };
  const connections = createConnectionCap({
    max: options.maxConnections ?? Number.POSITIVE_INFINITY,
    tls: false,
    refusalBody: '{}',
    retryAfterSeconds: 1,
    log,
  });
  const memory = createMemoryBudget(options.maxHeldBytes ?? DEFAULT_MAX_HELD_BYTES);
  const redis = openRedisServer(options.redis ?? redisUrl(), options.prefix);
  const node = createPeerNode({
    redis,
    host: '127.0.0.1',
    port: 0,
    path: '/socket.io/',
    limits,
    connections,
    memory,
    log,
  });
  const app = createUwsApp();
  const server = createSocketServer({
    app,
    path: '/socket.io/',
    limits,
    corsOrigins: options.corsOrigins ?? '*',
    log,
    peers: node.peers,
    connections,
    memory,
  });
  server.mount('/', namespace);
  await node.listen();
  const listening = await listenExclusive(app, '127.0.0.1', 0);
  return {
    port: listening.port,
    server,
    node,
    connections,
    memory,
    sockets,
    errors: log.errors,
    async stop() {
      listening.stop();
      await server.close();
      await node.close();
      redis.close();
      app.close();
    },
  };
}

/** What a node has said of itself in Redis: where it listens for the others, and its key. */
export async function entryOf(
  sid: string,
  prefix: string,
): Promise<{ host: string; port: number; key: string }> {
  const redis = new Redis(redisUrl());
  const entry = await redis.get(`${prefix}peer:${sid.slice(0, 8)}`);
  redis.disconnect();
  const [host = '', port = '', key = ''] = (entry ?? '').split(' ');
  return { host, port: Number(port), key };
}

export interface Polling {
  readonly sid: string;
  /** At `port`: whichever node one likes. */
  url(port: number): string;
}

/** A polling session of `server`, connected to `/` by way of `via`. */
export async function openPolling(server: PeerServer, via: PeerServer): Promise<Polling> {
  const { text } = await request(pollUrl(server.port));
  const { sid } = parseOpen(text);
  const url = (port: number): string => pollUrl(port, sid);
  expect((await request(url(via.port), { method: 'POST', body: '40' })).text).toBe('ok');
  expect((await request(url(via.port))).text).toMatch(/^40\{"sid":"/);
  return { sid, url };
}

export function pollUrl(port: number, sid?: string): string {
  const suffix = sid === undefined ? '' : `&sid=${sid}`;
  return `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling${suffix}`;
}

export function wsUrl(port: number, sid: string): string {
  return `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket&sid=${sid}`;
}

/** The answer of the stock server to an id that nobody has. */
export const UNKNOWN_SID = { code: 1, message: 'Session ID unknown' };
