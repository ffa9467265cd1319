/** A Socket.IO v5 server over Engine.IO v4 on uWebSockets.js. It knows nothing of chat. */

import type { RealtimeLog } from './engine-log.ts';
import type { NamespaceHandler, Socket } from './socket.ts';
import type { TemplatedApp } from './uws.ts';

/** Bounds of the realtime layer. Every one closes or refuses only the connection that reaches it. */
export interface SocketServerLimits {
  /** A ping is sent every so often, milliseconds. */
  readonly pingIntervalMs: number;
  /** A ping not answered within this many milliseconds closes the session. */
  readonly pingTimeoutMs: number;
  /** Largest WebSocket message and largest POST body, bytes; told to the client as `maxPayload`. */
  readonly maxPayloadBytes: number;
  /** A session with no namespace connected after this many milliseconds is closed. */
  readonly connectTimeoutMs: number;
  /** A probing WebSocket that has not upgraded after this many milliseconds is closed. */
  readonly upgradeTimeoutMs: number;
  /** A POST body must be complete within this many milliseconds. */
  readonly bodyTimeoutMs: number;
  /** Bytes a WebSocket may be behind before it is closed. */
  readonly maxBackpressureBytes: number;
  /** Bytes a socket may be behind before frames published with `shed` skip it. */
  readonly shedBackpressureBytes: number;
  /** Sessions at once; further handshakes are answered 503. */
  readonly maxSessions: number;
  /** Bytes that may wait for a polling client's next GET before its session is closed. */
  readonly maxPollingBufferBytes: number;
  /** Packets in one POST body. */
  readonly maxPayloadPackets: number;
  /** Query string of a handshake, bytes. */
  readonly maxQueryBytes: number;
  /** Polling responses of at least so many bytes are compressed for clients that accept it. */
  readonly compressThresholdBytes: number;
  /** Attachments of one binary packet. */
  readonly maxAttachments: number;
  /** Nesting of JSON in a packet. */
  readonly maxJsonDepth: number;
  /** Namespaces connected, or connecting, on one connection. */
  readonly maxNamespacesPerSession: number;
  readonly maxNamespaceLength: number;
  readonly maxEventNameLength: number;
  readonly maxTopicsPerSocket: number;
  /** Acknowledgements one socket may owe to `emitWithAck`. */
  readonly maxPendingAcks: number;
  /** Longest deadline of `emitWithAck`, milliseconds. */
  readonly ackDeadlineMs: number;
}

/** Limits that fit a chat service; callers override what their configuration names. */
export const DEFAULT_SOCKET_SERVER_LIMITS: SocketServerLimits = Object.freeze({
  pingIntervalMs: 25_000,
  pingTimeoutMs: 20_000,
  maxPayloadBytes: 1_000_000,
  connectTimeoutMs: 45_000,
  upgradeTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  maxBackpressureBytes: 1_048_576,
  shedBackpressureBytes: 65_536,
  maxSessions: 1_000_000,
  maxPollingBufferBytes: 1_048_576,
  maxPayloadPackets: 1_000,
  maxQueryBytes: 8_192,
  compressThresholdBytes: 1_024,
  maxAttachments: 10,
  maxJsonDepth: 64,
  maxNamespacesPerSession: 8,
  maxNamespaceLength: 128,
  maxEventNameLength: 128,
  maxTopicsPerSocket: 1_000,
  maxPendingAcks: 100,
  ackDeadlineMs: 60_000,
});

export interface SocketServerOptions {
  readonly app: TemplatedApp;
  /** Ends in a slash, e.g. `/socket.io/`. */
  readonly path: string;
  readonly limits: SocketServerLimits;
  /** `*`, or the origins allowed by CORS and by the Origin check of WebSocket handshakes. */
  readonly corsOrigins: '*' | readonly string[];
  readonly log: RealtimeLog;
  readonly namespaces: ReadonlyMap<string, NamespaceHandler>;
}

export interface PublishOptions {
  /** This socket does not get the frame. */
  readonly except?: Socket | undefined;
  /** Ephemeral: receivers further behind than `shedBackpressureBytes` are skipped. */
  readonly shed?: boolean | undefined;
  /** The namespace whose topic is meant; `/` when left out. The frame must be encoded for it. */
  readonly namespace?: string | undefined;
}

export interface SocketServerStats {
  /** Engine.IO sessions, connected to a namespace or not. */
  readonly sessions: number;
  readonly websocketSessions: number;
  readonly pollingSessions: number;
  /** Sockets connected to a namespace. */
  readonly sockets: number;
  /** Sessions closed so far, by reason. */
  readonly closed: ReadonlyMap<string, number>;
}

export interface SocketServer {
  /**
   * Hands an already encoded frame (`42["new_message",{…}]`) to every socket that joined `topic` on
   * this node, in the order of the calls. One call into uWebSockets.js, whatever the audience.
   */
  publish(topic: string, frame: string | Uint8Array, options?: PublishOptions): void;
  /** How many sockets of this node have joined `topic`. */
  subscribers(topic: string, namespace?: string): number;
  /** Sockets connected to a namespace. */
  readonly socketCount: number;
  /** New handshakes are answered 503 from now on; open connections go on. */
  stopAccepting(): void;
  /** Stops accepting and closes every transport, spread over `overMs`, in random order. */
  drain(options: { overMs: number }): Promise<void>;
  /** Closes every transport at once and stops the timers; does not close the listen socket. */
  close(): Promise<void>;
  stats(): SocketServerStats;
}

export function createSocketServer(_options: SocketServerOptions): SocketServer {
  throw new Error('not yet');
}
