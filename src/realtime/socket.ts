/**
 * A Socket: one client in one namespace, as the handlers of a namespace see it.
 *
 * Guarantees: every method is harmless on a socket that is gone (frames are dropped, joins do
 * nothing); nothing here throws into the caller because of what the client does.
 */

import type { Frame } from '../protocol/engine-packet.ts';
import type { CloseReason } from './close-reasons.ts';

/** The way a connection was made. */
export type TransportName = 'websocket' | 'polling';

/** Facts of the HTTP request that opened the connection, plus the `auth` of the CONNECT packet. */
export interface Handshake {
  /** Decoded query parameters; of a repeated key the last one counts, as in the stock server. */
  readonly query: ReadonlyMap<string, string>;
  /** A few request headers by lower-case name: see `KEPT_HEADERS` of engine-http.ts. */
  readonly headers: ReadonlyMap<string, string>;
  /** The payload of the CONNECT packet, `{}` when there was none. */
  readonly auth: Record<string, unknown>;
  /** The remote IP address as text, IPv4-mapped ones as IPv4. Proxies are not looked through. */
  readonly address: string;
  /** Whether a proxy in front says that the client came by TLS (`x-forwarded-proto: https`). */
  readonly secure: boolean;
  /** When the connection was made, milliseconds since 1970. */
  readonly issued: number;
  readonly transport: TransportName;
}

/** Answers an EVENT that asked for an acknowledgement. Only the first call counts. */
export interface Ack {
  (...args: unknown[]): void;
  /**
   * Answers with one argument which is JSON text already. With `topic`, in one write with what is
   * published to it in the same turn of the event loop, unless so many hear that topic that the
   * answer had better not wait for them: for answers that are followed by news.
   */
  json(text: string, topic?: string): void;
}

/** Thrown (or rejected with) by `onConnect`: the client gets CONNECT_ERROR `{message, data}`. */
export class ConnectRefused extends Error {
  readonly data: unknown;

  constructor(message: string, data?: unknown) {
    super(message);
    this.name = 'ConnectRefused';
    this.data = data;
  }
}

/** What a mounted namespace does with its sockets. */
export interface NamespaceHandler<Data = unknown> {
  /**
   * Called when a CONNECT arrived. The value returned becomes `socket.data`.
   *
   * @throws ConnectRefused to answer CONNECT_ERROR `{message, data}`; anything else thrown is
   *   logged and answered with a CONNECT_ERROR that says nothing.
   */
  onConnect(socket: Socket<Data>, handshake: Handshake): Data | Promise<Data>;
  /** Called after the CONNECT reply has been written. */
  onConnected?(socket: Socket<Data>): void;
  /**
   * Called for each EVENT. `ack` is undefined when the client asked for none; calling it twice is ignored. A
   * throw or rejection is logged and goes no further.
   */
  onEvent(
    socket: Socket<Data>,
    event: string,
    args: unknown[],
    ack: Ack | undefined,
  ): void | Promise<void>;
  /** Called instead of `onEvent` for an EVENT of a connection that is over its packet limit. */
  onEventOverLimit?(socket: Socket<Data>, event: string, ack: Ack | undefined): void;
  /**
   * Called when the server wants to close this connection; resolves when it may. Must not reject, and
   * has to keep a deadline of its own.
   */
  onDrain?(socket: Socket<Data>): Promise<void>;
  /** Called exactly once for every socket whose CONNECT was answered positively. */
  onDisconnect?(socket: Socket<Data>, reason: string): void;
}

/** One client in one namespace. Made by the server only. */
export interface Socket<Data = unknown> {
  /** The public Socket.IO id; it says nothing about the secret Engine.IO session id. */
  readonly id: string;
  readonly namespace: string;
  /** The value that `onConnect` returned. */
  data: Data;
  readonly connected: boolean;
  /**
   * Sends an EVENT; binary arguments become attachments. As with all that sends: dropped before
   * the CONNECT reply and after the end.
   *
   * @throws ProtocolError or TypeError for arguments that JSON cannot say.
   */
  emit(event: string, ...args: unknown[]): void;
  /** Sends an EVENT with one argument which is JSON text already. */
  emitJson(event: string, json: string): void;
  /**
   * Sends an EVENT and waits for its ACK.
   *
   * @throws Error (rejection) when `deadlineMs` (capped by `ackDeadlineMs`) has passed, the socket
   *   disconnects first, or more than `maxPendingAcks` are waiting.
   */
  emitWithAck(event: string, args: readonly unknown[], deadlineMs: number): Promise<unknown[]>;
  /** Sends an already encoded frame (`42["x"]`); for several namespaces the caller encodes them. */
  sendFrame(frame: Frame): void;
  /** Runs `send`, and lets what it sends to this socket go out in as few writes as possible. */
  together(send: () => void): void;
  /**
   * Frames published to `topic` reach this socket from now on; during `onConnect`, from the CONNECT
   * reply on. Joining twice is joining once.
   *
   * @throws RangeError when the socket has joined `maxTopicsPerSocket` topics.
   */
  join(topic: string): void;
  leave(topic: string): void;
  leaveAll(): void;
  /** Sends DISCONNECT: the stock client does not come back by itself. `close` ends the connection too. */
  disconnect(close?: boolean): void;
  /** Closes the transport: the stock client sees `transport close` and reconnects. */
  closeTransport(reason: CloseReason): void;
  /** Bytes written but not yet taken by the client (polling: waiting for the next GET). */
  bufferedBytes(): number;
}
