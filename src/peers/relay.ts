/**
 * One WebSocket of a session that another process has: frames go both ways as they are, the end too.
 *
 * Guarantees: nothing is parsed, reordered or added; heartbeats are between the client and its
 * process. A client that does not read stops what is read from its process, so that it is that
 * process which sees how far behind the client is, sheds, and closes; here at most `pauseBytes` and
 * one read wait. What waits for a process that does not read is bounded too. Whoever has been paused
 * for `stallTimeoutMs` has no session any more, and is ended.
 */
import { WebSocket } from 'ws';
import type { Connection, EngineSocket } from '../realtime/engine-host.ts';
import { ENGINE_ERRORS } from '../realtime/engine-http.ts';
import type { PendingUpgrade } from '../realtime/engine-websocket.ts';
import { KEY_HEADER, type PeerCall } from './peer-call.ts';

export interface RelayLimits {
  readonly connectTimeoutMs: number;
  /** Largest frame from the other process. */
  readonly maxFrameBytes: number;
  /** Bytes a client may be behind before no more is read for it. */
  readonly pauseBytes: number;
  /** Bytes that may wait for the other process. */
  readonly maxPendingBytes: number;
  readonly stallTimeoutMs: number;
}

/** How it ended; the label of a metric. */
export type RelayOutcome = 'closed' | 'refused' | 'unknown' | 'failed' | 'stalled';

/** The close code of a connection that broke. */
const ABNORMAL = 1006;

export class Relay implements Connection {
  readonly #upgrade: PendingUpgrade;
  readonly #limits: RelayLimits;
  readonly #done: (relay: Relay, outcome: RelayOutcome) => void;
  #upstream: WebSocket | undefined;
  #socket: EngineSocket | undefined;
  #stall: NodeJS.Timeout | undefined;
  #over = false;

  /** @param done called once, when it is over */
  constructor(
    upgrade: PendingUpgrade,
    limits: RelayLimits,
    done: (relay: Relay, outcome: RelayOutcome) => void,
  ) {
    this.#upgrade = upgrade;
    this.#limits = limits;
    this.#done = done;
    upgrade.reply.onAbort = () => this.#finish('closed');
  }

  /** Whether the client's WebSocket is open. */
  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /** Calls the process that has the session; the client is let in when it has agreed. */
  connect(peer: PeerCall): void {
    if (this.#over) return;
    const { host, port, key } = peer.address;
    const { connectTimeoutMs, maxFrameBytes } = this.#limits;
    const authority = host.includes(':') ? `[${host}]` : host;
    const url = `ws://${authority}:${port}${peer.path('websocket')}`;
    const upstream = new WebSocket(url, {
      headers: { [KEY_HEADER]: key },
      handshakeTimeout: connectTimeoutMs,
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      skipUTF8Validation: true, // Whatever it sends has been text there.
    });
    this.#upstream = upstream;
    upstream.on('open', () => this.#upgrade.accept(this));
    upstream.on('message', (data, isBinary) => {
      if (data instanceof Buffer) this.#toClient(data, isBinary);
    });
    upstream.on('close', (code) => this.#upstreamClosed(code));
    upstream.on('error', (error) => {
      if (!this.#over && !this.isOpen) peer.failed(error);
      this.refuse('failed');
    });
    upstream.on('unexpected-response', (request) => {
      request.destroy();
      this.refuse('refused');
    });
  }

  /** Answers as if nobody had the session, while the client waits for an answer. */
  refuse(outcome: RelayOutcome): void {
    if (this.#over || this.isOpen) return;
    this.#finish(outcome);
    this.#upgrade.reply.error(ENGINE_ERRORS.unknownSid, true);
  }

  /** Closes both sides in order. */
  end(): void {
    if (!this.isOpen) this.refuse('closed');
    else this.#endClient('closed');
  }

  onOpen(socket: EngineSocket): void {
    if (this.#over) socket.close();
    else this.#socket = socket;
  }

  onFrame(frame: ArrayBuffer, isBinary: boolean): void {
    const upstream = this.#upstream;
    if (this.#over || upstream?.readyState !== WebSocket.OPEN) return;
    // A copy: the buffer dies with the callback.
    upstream.send(Buffer.from(frame.slice(0)), { binary: isBinary });
    if (upstream.bufferedAmount > this.#limits.maxPendingBytes) this.#endClient('stalled');
  }

  onDrain(): void {
    const socket = this.#socket;
    if (this.#stall === undefined || socket === undefined) return;
    if (socket.getBufferedAmount() > this.#limits.pauseBytes / 2) return;
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.#upstream?.resume();
  }

  onEnd(): void {
    this.#socket = undefined;
    this.#finish('closed');
  }

  #toClient(data: Buffer, isBinary: boolean): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (socket.send(data, isBinary) === 1 || this.#stall !== undefined) return;
    if (socket.getBufferedAmount() <= this.#limits.pauseBytes) return;
    this.#upstream?.pause();
    const { stallTimeoutMs } = this.#limits;
    this.#stall = setTimeout(() => this.#endClient('stalled'), stallTimeoutMs);
  }

  #upstreamClosed(code: number): void {
    if (this.isOpen) this.#endClient(code === ABNORMAL ? 'failed' : 'closed');
    else this.refuse('failed');
  }

  #endClient(outcome: RelayOutcome): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#finish(outcome);
    // A client that does not read would hold an orderly close back.
    if (outcome !== 'closed' && socket !== undefined && socket.getBufferedAmount() > 0) {
      socket.close();
    } else {
      socket?.end();
    }
  }

  #finish(outcome: RelayOutcome): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stall);
    const upstream = this.#upstream;
    if (outcome === 'stalled') upstream?.terminate();
    else upstream?.close();
    upstream?.resume(); // It would not hear of its own end.
    this.#done(this, outcome);
  }
}
