/**
 * The Socket handed to namespace handlers: one client in one namespace of one connection.
 *
 * Guarantees: `onDisconnect` runs exactly once for each socket that was connected; after it the
 * socket hears no topic and sends nothing; topics of two namespaces never meet.
 */

import type { Frame } from '../protocol/engine-packet.ts';
import {
  encodeAck,
  encodeConnect,
  encodeDisconnect,
  encodeEvent,
  encodeTextAck,
  encodeTextEvent,
} from '../protocol/socket-packet.ts';
import { type Ascii, escapeAfter } from '../shared/native-text.ts';
import type { CloseReason } from './close-reasons.ts';
import { newRandomId, SOCKET_ID_BYTES } from './engine-ids.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { EngineSession } from './engine-session.ts';
import type { NamespaceHandler, Socket } from './socket.ts';
import { type AckSender, PendingAcks } from './socket-ack.ts';

/** A namespace clients can connect to. */
export interface Namespace {
  readonly name: string;
  readonly handler: NamespaceHandler;
  /** Stands before every topic of this namespace. */
  readonly topicPrefix: Ascii;
}

/** A socket's connection, as far as the socket needs it. */
export interface SocketOwner {
  readonly session: Pick<
    EngineSession,
    | 'send'
    | 'sendBeside'
    | 'together'
    | 'close'
    | 'subscribe'
    | 'unsubscribe'
    | 'isSubscribed'
    | 'subscriptions'
    | 'bufferedBytes'
  >;
  readonly log: RealtimeLog;
  readonly limits: {
    readonly maxTopicsPerSocket: number;
    readonly maxPendingAcks: number;
    readonly ackDeadlineMs: number;
  };
  /** Forgets the socket; the connection goes on. */
  remove(socket: NamespaceSocket): void;
  /** Sends DISCONNECT for every socket of the connection, then ends it. */
  disconnectAll(): void;
}

/** `refused` never was, `gone` no longer is connected. */
export type SocketState = 'connecting' | 'connected' | 'refused' | 'gone';

/** The server's side of a `Socket`. */
export class NamespaceSocket implements Socket, AckSender {
  readonly id = newRandomId(SOCKET_ID_BYTES);
  data: unknown = undefined;
  state: SocketState = 'connecting';
  readonly connection: SocketOwner;
  readonly #namespace: Namespace;
  #topicCount = 0;
  /** Topics joined before the CONNECT reply: no frame may overtake it. */
  #joinLater: string[] | undefined = undefined;
  #acks: PendingAcks | undefined = undefined;

  constructor(connection: SocketOwner, namespace: Namespace) {
    this.connection = connection;
    this.#namespace = namespace;
  }

  get namespace(): string {
    return this.#namespace.name;
  }

  get handler(): NamespaceHandler {
    return this.#namespace.handler;
  }

  get connected(): boolean {
    return this.state === 'connected';
  }

  /** Answers the CONNECT; frames flow from here on. */
  start(data: unknown): void {
    this.data = data;
    this.state = 'connected';
    for (const frame of encodeConnect(this.namespace, { sid: this.id })) this.sendFrame(frame);
    const topics = this.#joinLater;
    this.#joinLater = undefined;
    for (const topic of topics ?? []) this.join(topic);
  }

  emit(event: string, ...args: unknown[]): void {
    this.#sendAll(encodeEvent(this.namespace, [event, ...args]));
  }

  emitJson(event: string, json: string): void {
    const { name } = this.#namespace;
    // 42["new_message",{…}], 42/admin,["new_message",{…}]
    if (name === '/') this.sendFrame(encodeTextEvent(event, json));
    else this.sendFrame(`42${name},[${JSON.stringify(event)},${json}]`);
  }

  emitWithAck(event: string, args: readonly unknown[], deadlineMs: number): Promise<unknown[]> {
    if (!this.connected) return Promise.reject(new Error('Not connected'));
    const { maxPendingAcks, ackDeadlineMs } = this.connection.limits;
    this.#acks ??= new PendingAcks(maxPendingAcks);
    return this.#acks.request(Math.min(deadlineMs, ackDeadlineMs), (id) =>
      this.#sendAll(encodeEvent(this.namespace, [event, ...args], id)),
    );
  }

  sendFrame(frame: Frame): void {
    if (this.state === 'connected') this.connection.session.send(frame);
  }

  together(send: () => void): void {
    this.connection.session.together(send);
  }

  sendAck(id: number, args: readonly unknown[]): void {
    this.#sendAll(encodeAck(this.namespace, args, id));
  }

  sendAckJson(id: number, json: string, topic: string | undefined): void {
    if (this.state !== 'connected') return;
    const { name, topicPrefix } = this.#namespace;
    const frame = name === '/' ? encodeTextAck(id, json) : `43${name},${id}[${json}]`;
    const { session } = this.connection;
    if (topic === undefined) session.send(frame);
    else session.sendBeside(escapeAfter(topicPrefix, topic), frame);
  }

  /** Takes an ACK from the client. */
  acknowledged(id: number, args: unknown[]): void {
    this.#acks?.settle(id, args);
  }

  join(topic: string): void {
    if (this.state === 'connecting') {
      this.#joinLater ??= [];
      this.#joinLater.push(topic);
      return;
    }
    if (this.state !== 'connected') return;
    const { session, limits } = this.connection;
    const key = escapeAfter(this.#namespace.topicPrefix, topic);
    if (session.isSubscribed(key)) return;
    if (this.#topicCount >= limits.maxTopicsPerSocket) {
      throw new RangeError(`A socket may join ${limits.maxTopicsPerSocket} topics`);
    }
    this.#topicCount++;
    session.subscribe(key);
  }

  leave(topic: string): void {
    const { session } = this.connection;
    const key = escapeAfter(this.#namespace.topicPrefix, topic);
    if (this.#topicCount === 0 || !session.isSubscribed(key)) return;
    this.#topicCount--;
    session.unsubscribe(key);
  }

  leaveAll(): void {
    if (this.#topicCount === 0) return;
    this.#topicCount = 0;
    const { session } = this.connection;
    for (const key of session.subscriptions()) {
      if (key.startsWith(this.#namespace.topicPrefix)) session.unsubscribe(key);
    }
  }

  disconnect(close = false): void {
    if (!this.connected) return;
    if (close) this.connection.disconnectAll();
    else this.disconnectNamespace();
  }

  /** Sends DISCONNECT to the client; the connection goes on. */
  disconnectNamespace(): void {
    if (this.connected) this.#sendAll(encodeDisconnect(this.namespace));
    this.end('server namespace disconnect');
  }

  closeTransport(reason: CloseReason): void {
    this.connection.session.close(reason);
  }

  bufferedBytes(): number {
    return this.connection.session.bufferedBytes();
  }

  /** Ends the socket, for whatever reason. */
  end(reason: string): void {
    const wasConnected = this.state === 'connected';
    this.state = wasConnected ? 'gone' : 'refused';
    this.connection.remove(this);
    if (!wasConnected) return;
    this.leaveAll();
    this.#acks?.endAll(reason);
    try {
      this.handler.onDisconnect?.(this, reason);
    } catch (error) {
      this.connection.log.error({ err: error, namespace: this.namespace }, 'onDisconnect failed');
    }
  }

  #sendAll(frames: readonly Frame[]): void {
    for (const frame of frames) this.sendFrame(frame);
  }
}
