/**
 * One WebSocket of a session that another process has: frames go both ways as they are, the end too.
 * What a client sends while its process is being called waits. When that cannot be reached, or does
 * not know the session, the WebSocket is closed: a client that was about to upgrade goes on polling.
 *
 * Guarantees: nothing is parsed, reordered or added; heartbeats are between the client and its
 * process. A client that does not read stops what is read from its process, so that it is that
 * process which sees how far behind the client is, sheds, and closes; here at most `pauseBytes` and
 * one read wait. What waits for a process that does not read is bounded too, and counted in the budget
 * of this one. Whoever has been paused for `stallTimeoutMs` has no session any more, and is ended.
 */
import type { Agent } from 'node:http';
import { WebSocket } from 'ws';
import type { Connection, EngineSocket } from '../realtime/engine-host.ts';
import type { Holder, MemoryBudget } from '../shared/memory-budget.ts';
import { KEY_HEADER, type PeerCall } from './peer-call.ts';

export interface RelayLimits {
  readonly connectTimeoutMs: number;
  /** Largest frame from the other process. */
  readonly maxFrameBytes: number;
  /** How many bytes a client may be behind before no more is read for it. */
  readonly pauseBytes: number;
  /** How many bytes may wait for the other process. */
  readonly maxPendingBytes: number;
  readonly stallTimeoutMs: number;
}

/** How a relay ended; the label of a metric. */
export type RelayOutcome = 'closed' | 'refused' | 'unknown' | 'failed' | 'stalled';

/** What keeping a frame costs beside its bytes. */
const FRAME_COST_BYTES = 128;
/** The close code of a connection that broke. */
const ABNORMAL = 1006;

/** One relayed WebSocket, from its opening here until both sides are closed. */
export class Relay implements Connection, Holder {
  /** Who it is, only the process that has the session knows. */
  readonly identified = false;
  heldBytes = 0;
  readonly #limits: RelayLimits;
  readonly #memory: MemoryBudget;
  readonly #opened: (relay: Relay) => void;
  readonly #done: (relay: Relay, outcome: RelayOutcome) => void;
  #upstream: WebSocket | undefined;
  #socket: EngineSocket | undefined;
  /** The frames that came before the other process was reached. */
  #early: { data: Buffer; isBinary: boolean }[] = [];
  #earlyBytes = 0;
  #stall: NodeJS.Timeout | undefined;
  #over = false;

  /**
   * @param opened called when the client is there: `connect` or `refuse` is expected
   * @param done called once for each `opened`, when it is over
   */
  constructor(
    limits: RelayLimits,
    memory: MemoryBudget,
    opened: (relay: Relay) => void,
    done: (relay: Relay, outcome: RelayOutcome) => void,
  ) {
    this.#limits = limits;
    this.#memory = memory;
    this.#opened = opened;
    this.#done = done;
  }

  /** Whether frames go both ways. */
  get isOpen(): boolean {
    return this.#upstream?.readyState === WebSocket.OPEN;
  }

  /** Calls the process that has the session. */
  connect(peer: PeerCall, agent: Agent): void {
    if (this.#over) return;
    const { host, port, key } = peer.address;
    const { connectTimeoutMs, maxFrameBytes } = this.#limits;
    const authority = host.includes(':') ? `[${host}]` : host;
    const url = `ws://${authority}:${port}${peer.path('websocket')}`;
    const upstream = new WebSocket(url, {
      agent,
      headers: { [KEY_HEADER]: key },
      handshakeTimeout: connectTimeoutMs,
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      skipUTF8Validation: true, // Whatever it sends has been text there.
    });
    this.#upstream = upstream;
    upstream.on('open', () => {
      for (const { data, isBinary } of this.#early) this.#forward(upstream, data, isBinary);
      this.#early = [];
      this.#earlyBytes = 0;
    });
    upstream.on('message', (data, isBinary) => {
      if (data instanceof Buffer) this.#toClient(data, isBinary);
    });
    upstream.on('close', (code) => this.#upstreamClosed(code));
    upstream.on('error', (error) => {
      if (!this.#over) peer.failed(error);
      this.refuse('failed');
    });
    upstream.on('unexpected-response', (request) => {
      request.destroy();
      this.refuse('refused');
    });
  }

  /** Closes the client's side: there is no such session, or no way to it. */
  refuse(outcome: RelayOutcome): void {
    this.#endClient(outcome);
  }

  endForMemory(): void {
    this.#endClient('stalled');
  }

  /** Closes both sides in order. */
  end(): void {
    this.#endClient('closed');
  }

  onOpen(socket: EngineSocket): void {
    this.#socket = socket;
    this.#opened(this);
  }

  onFrame(frame: ArrayBuffer, isBinary: boolean): void {
    if (this.#over) return;
    const bytes = frame.byteLength + FRAME_COST_BYTES;
    if (!this.#memory.hold(this, bytes)) return;
    const data = Buffer.from(frame.slice(0)); // The buffer dies with the callback.
    const upstream = this.#upstream;
    if (upstream?.readyState === WebSocket.OPEN) {
      this.#forward(upstream, data, isBinary);
    } else {
      this.#early.push({ data, isBinary });
      this.#earlyBytes += bytes;
    }
    const pending = upstream?.bufferedAmount ?? 0;
    if (pending + this.#earlyBytes > this.#limits.maxPendingBytes) this.#endClient('stalled');
  }

  onPing(): void {
    // Between the client and uWebSockets.js: a client that does not read is found out by its frames.
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

  #forward(upstream: WebSocket, data: Buffer, isBinary: boolean): void {
    const sent = (): void => this.#memory.release(this, data.length + FRAME_COST_BYTES);
    upstream.send(data, { binary: isBinary }, sent);
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
    this.#endClient(code === ABNORMAL ? 'failed' : 'closed');
  }

  #endClient(outcome: RelayOutcome): void {
    if (this.#over) return;
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
    this.#early = [];
    this.#memory.releaseAll(this);
    const upstream = this.#upstream;
    // Paused, it would not hear of its own end.
    if (this.#stall !== undefined) upstream?.resume();
    clearTimeout(this.#stall);
    if (outcome === 'stalled') upstream?.terminate();
    else upstream?.close();
    this.#done(this, outcome);
  }
}
