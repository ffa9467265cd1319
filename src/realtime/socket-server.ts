/** A Socket.IO v5 server over Engine.IO v4 on uWebSockets.js. It knows nothing of chat. */

import { DEFAULT_MAX_HELD_BYTES } from '../bounds/shared.ts';
import type { SocketLimits } from '../protocol/socket-packet.ts';
import { createMemoryBudget, type MemoryBudget } from '../shared/memory-budget.ts';
import { type Ascii, escapeAfter } from '../shared/native-text.ts';
import type { PageOrigins } from '../shared/origin.ts';
import type { ConnectionCap } from './connection-cap.ts';
import type { ClientGate } from './engine-http.ts';
import type { EngineLimits, PacketLimit } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { Peers } from './engine-peers.ts';
import { createEngineServer, type EngineStats } from './engine-server.ts';
import type { EngineSession } from './engine-session.ts';
import type { NamespaceHandler, Socket } from './socket.ts';
import { SocketConnection } from './socket-connection.ts';
import type { ConnectionHost } from './socket-host.ts';
import { type Namespace, NamespaceSocket } from './socket-namespace.ts';
import type { TemplatedApp } from './uws.ts';

/** Bounds of the realtime layer. Each closes or refuses only the connection that reaches it. */
export interface SocketServerLimits extends EngineLimits {
  /** A binary packet that is not complete after this many milliseconds ends its connection. */
  readonly attachmentTimeoutMs: number;
  /** A session with no namespace connected after this many milliseconds is closed. */
  readonly connectTimeoutMs: number;
  /** Most attachments of one binary packet. */
  readonly maxAttachments: number;
  /** Most bytes of all attachments of one binary packet together. */
  readonly maxAttachmentBytes: number;
  /** How deep the JSON in a packet may nest. */
  readonly maxJsonDepth: number;
  /** Most nodes of JSON in a packet: see `JsonBounds`. */
  readonly maxJsonNodes: number;
  /** Most nodes of JSON in the CONNECT of a session without identity. */
  readonly maxConnectNodes: number;
  /** Most namespaces connected, or connecting, on one connection. */
  readonly maxNamespacesPerSession: number;
  readonly maxNamespaceLength: number;
  readonly maxEventNameLength: number;
  readonly maxTopicsPerSocket: number;
  /** Most acknowledgements one socket may owe to `emitWithAck`. */
  readonly maxPendingAcks: number;
  /** Longest deadline of `emitWithAck`, milliseconds. */
  readonly ackDeadlineMs: number;
}

export interface SocketServerDeps {
  readonly app: TemplatedApp;
  /** Ends in a slash, e.g. `/socket.io/`. */
  readonly path: string;
  readonly limits: SocketServerLimits;
  /** `*`, or the origins allowed by CORS and by the Origin check of WebSocket handshakes. */
  readonly corsOrigins: PageOrigins;
  /** Whether this server may be called by that name; left out: by any. */
  readonly trustsHost?: (host: string) => boolean;
  readonly log: RealtimeLog;
  /** Who may come in; left out: every client is admitted. */
  readonly gate?: ClientGate;
  /** How many packets one connection may send; left out: as many as it likes. */
  readonly packetLimit?: PacketLimit;
  /** `data` of the CONNECT_ERROR for a namespace there is not; left out: none, as the stock server. */
  readonly unknownNamespace?: unknown;
  /** The processes that have other sessions; left out: this process has all there are. */
  readonly peers?: Peers;
  /** The budget for memory held for clients, shared with the process's other doors; left out: one of its own. */
  readonly memory?: MemoryBudget;
  /** Where the connections of this server's apps are counted and refused; left out: nowhere. */
  readonly connections?: ConnectionCap;
}

export interface PublishOptions {
  /** These sockets do not get the frame. */
  readonly except?: readonly Socket[] | undefined;
  /** Ephemeral: receivers further behind than `shedBackpressureBytes` are skipped. */
  readonly shed?: boolean | undefined;
  /** The namespace whose topic is meant; `/` when left out. The frame must be encoded for it. */
  readonly namespace?: string | undefined;
}

export interface SocketServerStats extends EngineStats {
  /** Sockets connected to a namespace. */
  readonly sockets: number;
}

export interface SocketServer {
  /**
   * Serves the namespace `name` with this handler. Called before the app listens: a CONNECT to a
   * namespace that is not mounted is refused.
   */
  mount(name: string, handler: NamespaceHandler): void;
  /**
   * Hands an already encoded frame (`42["new_message",{…}]`) to every socket that joined `topic` on
   * this node, in the order of the calls. One call into uWebSockets.js, whatever the audience.
   */
  publish(topic: string, frame: string | Uint8Array, how?: PublishOptions): void;
  /** How many sockets of this node have joined `topic`. */
  subscribers(topic: string, namespace?: string): number;
  /** Sockets connected to a namespace. */
  readonly socketCount: number;
  /** New handshakes are answered 503 from now on; open connections go on. */
  stopAccepting(): void;
  /**
   * Stops accepting and closes every transport, spread over `overMs`, in random order; each when
   * the namespace's `onDrain` has resolved, or `finishMs` after the last was told.
   * Resolves with what is left of `finishMs`, milliseconds.
   */
  drain(how: { overMs: number; finishMs: number }): Promise<number>;
  /** Closes every transport at once and stops the timers; does not close the listen socket. */
  close(): Promise<void>;
  stats(): SocketServerStats;
}

/**
 * Mounts a Socket.IO server on `app`. The caller makes the app listen.
 *
 * Source: Socket.IO protocol, version 5; where it is silent, the behaviour of socket.io 4.
 */
export function createSocketServer(deps: SocketServerDeps): SocketServer {
  const { app, path, limits, corsOrigins, log } = deps;
  const memory = deps.memory ?? createMemoryBudget(DEFAULT_MAX_HELD_BYTES);
  const mounted = new Map<string, Namespace>();
  let sockets = 0;

  const packetLimits: SocketLimits = {
    maxAttachments: limits.maxAttachments,
    maxDepth: limits.maxJsonDepth,
    maxNodes: limits.maxJsonNodes,
    maxNamespaceLength: limits.maxNamespaceLength,
    maxEventNameLength: limits.maxEventNameLength,
  };
  const host: ConnectionHost<SocketConnection> = {
    limits,
    log,
    memory,
    unknownNamespace: deps.unknownNamespace,
    packetLimit: deps.packetLimit,
    packetLimits,
    connectLimits: { ...packetLimits, maxNodes: limits.maxConnectNodes },
    namespace: (name) => mounted.get(name),
    // The request's facts are worth their memory only while another CONNECT may want them.
    get keepsFacts() {
      return mounted.size > 1;
    },
    count(change) {
      sockets += change;
    },
    connected(connection) {
      waiting.delete(connection);
      engine.identified(connection.session, true);
    },
    assembling: (connection, isUnderWay) => {
      if (isUnderWay) assembling.add(connection);
      else assembling.delete(connection);
    },
    left(connection) {
      engine.identified(connection.session, false);
      if (connection.session.state === 'open') waiting.add(connection);
    },
  };
  const engine = createEngineServer<SocketConnection>({
    app,
    path,
    limits,
    corsOrigins,
    ...(deps.trustsHost === undefined ? {} : { trustsHost: deps.trustsHost }),
    log,
    memory,
    ...(deps.gate === undefined ? {} : { gate: deps.gate }),
    ...(deps.peers === undefined ? {} : { peers: deps.peers }),
    connections: deps.connections,
    handler: {
      onSession(session) {
        const connection = new SocketConnection(host, session);
        session.owner = connection;
        waiting.add(connection);
      },
      onMessage(session, data) {
        session.owner?.message(data);
      },
      onControl(session) {
        session.owner?.control();
      },
      onClose(session, reason) {
        const connection = session.owner;
        if (connection === undefined) return;
        waiting.delete(connection);
        connection.end(reason);
      },
    },
  });
  const waiting = engine.deadlines<SocketConnection>(limits.connectTimeoutMs, (connection) =>
    connection.session.close('connect timeout'),
  );
  const assembling = engine.deadlines<SocketConnection>(limits.attachmentTimeoutMs, ({ session }) =>
    session.abort('parse error'),
  );
  const mainPrefix = topicPrefix(engine.topicPrefix, '/');

  function topicKey(namespace: string | undefined, topic: string): Ascii {
    if (namespace === undefined || namespace === '/') return escapeAfter(mainPrefix, topic);
    return escapeAfter(topicPrefix(engine.topicPrefix, namespace), topic);
  }

  return {
    mount(name, handler) {
      mounted.set(name, { name, handler, topicPrefix: topicPrefix(engine.topicPrefix, name) });
    },
    publish(topic, frame, publishOptions) {
      const key = topicKey(publishOptions?.namespace, topic);
      const except = publishOptions?.except?.flatMap(sessionOf);
      engine.publish(key, frame, except, publishOptions?.shed);
    },
    subscribers: (topic, namespace) => engine.subscribers(topicKey(namespace, topic)),
    get socketCount() {
      return sockets;
    },
    stopAccepting: engine.stopAccepting,
    drain({ overMs, finishMs }) {
      const settled = async ({ owner }: EngineSession<SocketConnection>): Promise<void> => {
        await Promise.all(
          (owner?.sockets() ?? []).map(async (socket) => {
            if (socket.connected) await mounted.get(socket.namespace)?.handler.onDrain?.(socket);
          }),
        );
      };
      return engine.drain({ overMs, finishMs, settled });
    },
    close: engine.close,
    stats: () => ({ ...engine.stats(), sockets }),
  };
}

/** What stands before the topics of a namespace. No namespace has a comma in it, so no two share a topic. */
function topicPrefix(serverPrefix: Ascii, namespace: string): Ascii {
  return escapeAfter(serverPrefix, namespace === '/' ? ':' : `${namespace},`);
}

/** The session of a socket of this server, in which only sockets of its own kind are. */
function sessionOf(socket: Socket): EngineSession<SocketConnection>[] {
  const connection = socket instanceof NamespaceSocket ? socket.connection : undefined;
  return connection instanceof SocketConnection ? [connection.session] : [];
}
