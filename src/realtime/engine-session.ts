/**
 * One Engine.IO session, over polling, over WebSocket, or moving from the first to the second.
 *
 * Guarantees: frames reach the client in the order of `send`, each once, or the session ends;
 * `onClose` of the handler runs exactly once for each `onSession`, and nothing is handed to the
 * handler after it; a handler that throws ends this session only. Idle over WebSocket, a session is
 * this object, its id and a place in the wheel: no timer, no closure, no collection.
 */

import type { EnginePacket, Frame } from '../protocol/engine-packet.ts';
import type { Ascii } from '../shared/native-text.ts';
import type { CloseReason } from './close-reasons.ts';
import type {
  Connection,
  EngineSocket,
  HostedSession,
  SessionHandler,
  SessionHost,
} from './engine-host.ts';
import type { RequestFacts } from './engine-http.ts';
import { PollingTransport } from './engine-polling.ts';
import { receiveFrame, receivePacket } from './engine-receive.ts';
import { sendFrame, sendTogether } from './engine-send.ts';

/** What the layer above does with sessions. `Owner` is what it hangs on each. */
export type EngineHandler<Owner = unknown> = SessionHandler<EngineSession<Owner>>;

/** `closing`: closed for the handler, but frames still wait for the client's next GET. */
export type SessionState = 'open' | 'closing' | 'closed';

const HANDLER_FAILED = 'A handler of the Engine.IO layer failed';

/** One client's session, over whichever transport it has at the moment. */
export class EngineSession<Owner = unknown> implements Connection, HostedSession {
  /** The secret of this session: whoever knows it can speak for the client. */
  readonly sid: string;
  state: SessionState = 'open';
  /** Why the session is no longer open; empty while it is. */
  reason = '';
  bucket = 0;
  slot = -1;
  pongTick = 0;
  owner: Owner | undefined = undefined;
  hasOwnTopic = false;
  identified = false;
  earlyPackets = 0;
  heldBytes = 0;
  /** The request that opened the session, until the layer above has no more use for it. */
  facts: RequestFacts | undefined;
  polling: PollingTransport | undefined;
  socket: EngineSocket | undefined = undefined;
  /** A WebSocket that may take over; at most one at a time. */
  probe: { readonly probed: boolean; abandon(): void } | undefined = undefined;
  #topics: Set<Ascii> | undefined = undefined;
  readonly #host: SessionHost<EngineSession<Owner>>;

  constructor(
    host: SessionHost<EngineSession<Owner>>,
    sid: string,
    facts: RequestFacts,
    isPolling: boolean,
  ) {
    this.#host = host;
    this.sid = sid;
    this.facts = facts;
    this.polling = isPolling ? new PollingTransport(host.limits, host.memory, this) : undefined;
  }

  /** Begins: the heartbeat runs and the layer above is told. */
  start(): void {
    this.#host.wheel.add(this);
    if (this.socket !== undefined) this.#settle(this.socket);
    try {
      this.#host.handler.onSession(this);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Sends an encoded packet, or the bytes of a binary message. Dropped when not open. */
  send(frame: Frame): void {
    if (this.state === 'open') this.deliver(frame);
  }

  /** Sends text, in one write with what is published to `topic` in the same turn if that is cheaper. */
  sendBeside(topic: Ascii, text: string): void {
    if (this.state === 'open') this.#host.topics.deliverBeside(topic, this, text);
  }

  deliver(frame: Frame): void {
    const { socket, polling } = this;
    if (socket !== undefined) {
      // Only the other answers are worth a second call.
      if (sendFrame(socket, frame) !== 1) this.#host.topics.checkPace(this);
    } else if (polling !== undefined && !polling.push(frame)) {
      this.endSlow();
    }
  }

  /** Runs `send`, and lets what it sends go to the kernel in as few writes as possible. */
  together(send: () => void): void {
    if (this.socket === undefined) send();
    else sendTogether(this.socket, send);
  }

  bufferedBytes(): number {
    return this.socket?.getBufferedAmount() ?? this.polling?.waitingBytes ?? 0;
  }

  // Both are found out in the middle of a publish to others: the end comes later in the turn.
  endSlow(): void {
    queueMicrotask(() => this.abort('slow reader'));
  }

  endForMemory(): void {
    queueMicrotask(() => this.abort('memory'));
  }

  subscribe(topic: Ascii): void {
    if (this.state !== 'open') return;
    if (this.socket !== undefined) {
      this.socket.subscribe(topic);
      return;
    }
    this.#topics ??= new Set();
    this.#topics.add(topic);
    this.#host.topics.joinPolling(topic, this);
  }

  unsubscribe(topic: Ascii): void {
    if (this.socket !== undefined) this.socket.unsubscribe(topic);
    else if (this.#topics?.delete(topic)) this.#host.topics.leavePolling(topic, this);
  }

  isSubscribed(topic: Ascii): boolean {
    return this.socket?.isSubscribed(topic) ?? this.#topics?.has(topic) ?? false;
  }

  /** The topics subscribed to, the heartbeat's among them. */
  subscriptions(): readonly Ascii[] {
    return this.socket?.getTopics() ?? [...(this.#topics ?? [])];
  }

  /** Ends the session in order: what was sent before reaches the client, then the close. */
  close(reason: CloseReason): void {
    if (this.state !== 'open') return;
    const { socket, polling } = this;
    if (socket !== undefined) {
      this.#finish(reason);
      socket.end();
      return;
    }
    if (polling?.sayClose()) {
      this.#finish(reason);
      return;
    }
    this.state = 'closing';
    this.#leavePollingTopics();
    this.#host.closing.add(this);
    this.#tell(reason);
  }

  /** Ends the session at once; what waits is dropped. A pending GET is answered with `answer`. */
  abort(reason: CloseReason, answer: '1' | '6' = '1'): void {
    if (this.state === 'closed') return;
    const { socket, polling } = this;
    this.#finish(reason);
    if (socket !== undefined) {
      // A client that does not read would hold an orderly close back.
      if (socket.getBufferedAmount() > 0) socket.close();
      else socket.end();
    }
    polling?.release(answer);
  }

  /** Ends a closing session: a GET took its last frames, or none came in time. */
  finishClosing(): void {
    if (this.state === 'closing') this.#finish('');
  }

  /** The probing WebSocket has become the transport: the buffer goes first, then the topics. */
  upgrade(socket: EngineSocket): void {
    const { polling } = this;
    if (polling === undefined || this.state === 'closed') {
      socket.end();
      return;
    }
    this.probe = undefined;
    const wasClosing = this.state === 'closing';
    polling.release('6');
    for (const frame of polling.takeAll()) sendFrame(socket, frame);
    const topics = this.#topics;
    this.#leavePollingTopics();
    if (wasClosing) {
      this.#finish('');
      socket.end();
      return;
    }
    this.polling = undefined;
    this.socket = socket;
    socket.getUserData().handler = this;
    this.#settle(socket);
    for (const topic of topics ?? []) socket.subscribe(topic);
    this.#host.topics.checkPace(this);
  }

  onOpen(socket: EngineSocket): void {
    this.socket = socket;
  }

  /** Whether a packet of so many bytes may be looked at; if not, the session has ended. */
  admits(bytes: number): boolean {
    return this.identified || this.#host.strangers.admits(this, bytes);
  }

  onFrame(frame: ArrayBuffer, isBinary: boolean): void {
    receiveFrame(this, this.#host, frame, isBinary);
  }

  onPing(): void {
    // Each is answered with as much, whether the client reads that or not.
    if (this.state !== 'open' || !this.admits(0)) return;
    this.#host.topics.checkPace(this);
    this.#host.handler.onControl(this);
  }

  onDrain(): void {
    if (this.socket !== undefined) this.#host.topics.checkPace(this);
  }

  onEnd(): void {
    // Our own `end` and `close` get here too, but with the session already closed.
    if (this.state !== 'closed') this.#finish('transport close');
  }

  /** Takes a packet of a polling payload; `admits` was asked before. */
  packet(packet: EnginePacket): void {
    receivePacket(this, this.#host, packet);
  }

  #settle(socket: EngineSocket): void {
    this.#host.countWebSocket(1);
    socket.subscribe(this.#host.heartbeatTopic(this.bucket));
  }

  #finish(reason: string): void {
    const wasOpen = this.state === 'open';
    const wasClosing = this.state === 'closing';
    const { probe, socket } = this;
    this.state = 'closed';
    this.socket = undefined;
    this.probe = undefined;
    this.#leavePollingTopics();
    this.#host.topics.forget(this);
    this.#host.memory.releaseAll(this);
    if (socket !== undefined) this.#host.countWebSocket(-1);
    if (wasClosing) this.#host.closing.delete(this);
    this.#host.forget(this);
    probe?.abandon();
    if (wasOpen) this.#tell(reason);
  }

  #tell(reason: string): void {
    this.reason = reason;
    this.#host.closed(this, reason);
    try {
      this.#host.handler.onClose(this, reason);
    } catch (error) {
      this.#host.log.error({ err: error }, HANDLER_FAILED);
    }
  }

  #leavePollingTopics(): void {
    for (const topic of this.#topics ?? []) this.#host.topics.leavePolling(topic, this);
    this.#topics = undefined;
  }

  /** Ends this session, and no other, because a handler threw. */
  fail(error: unknown): void {
    this.#host.log.error({ err: error }, HANDLER_FAILED);
    this.abort('server error');
  }
}
