/**
 * The polling side of one session: frames waiting for a GET, the GET waiting for frames.
 *
 * Guarantees: frames leave in the order they came, each once; what waits is bounded in bytes, and
 * counted in the budget of the process; a response is at most `maxPayloadBytes` long unless a single frame is longer. It knows nothing of
 * sessions: who owns it decides what an overflow or an abort means.
 */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodePayload, type Frame, payloadSize } from '../protocol/engine-packet.ts';
import type { Holder, MemoryBudget } from '../shared/memory-budget.ts';
import type { HttpReply } from './engine-reply.ts';

const CONTENT_TYPE = 'text/plain; charset=UTF-8';
/** Speed before size: chat payloads are repetitive, and the thread pool is shared. */
const GZIP_LEVEL = 3;

const compress = promisify(gzip);

export interface PollingLimits {
  readonly maxPayloadBytes: number;
  readonly maxPollingBufferBytes: number;
  readonly compressThresholdBytes: number;
}

/** The transport of one session while it polls: what waits for its next GET. */
export class PollingTransport {
  /** Bytes that wait, as a payload. */
  waitingBytes = 0;
  /** The POST whose body is being received. */
  post: HttpReply | undefined;
  /** The GET to be answered, also while its answer is being compressed. */
  #get: HttpReply | undefined;
  #answering = false;
  #flushing = false;
  #frames: Frame[] = [];
  readonly #limits: PollingLimits;
  readonly #memory: MemoryBudget;
  readonly #holder: Holder;

  /** @param holder who what waits is held for */
  constructor(limits: PollingLimits, memory: MemoryBudget, holder: Holder) {
    this.#limits = limits;
    this.#memory = memory;
    this.#holder = holder;
  }

  /** Whether a GET is there and unanswered: a second one overlaps. */
  get hasGet(): boolean {
    return this.#get !== undefined;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /**
   * Puts a frame at the end. A waiting GET is answered at the end of the turn, so that what is
   * sent together travels together.
   *
   * @returns false when the bound is reached: the frame was not taken, the session is broken
   */
  push(frame: Frame): boolean {
    const bytes = payloadSize(frame) + 1;
    // One frame always fits, or a large message could never be delivered.
    if (!this.isEmpty && this.waitingBytes + bytes > this.#limits.maxPollingBufferBytes) {
      return false;
    }
    if (!this.#memory.hold(this.#holder, bytes)) return false;
    this.#frames.push(frame);
    this.waitingBytes += bytes;
    if (this.#get !== undefined && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.flush());
    }
    return true;
  }

  /** Takes a GET, to be answered by the next flush. */
  attach(reply: HttpReply): void {
    this.#get = reply;
  }

  /** Answers the waiting GET with what waits, if there are both. */
  flush(): void {
    this.#flushing = false;
    if (this.#get === undefined || this.#answering || this.isEmpty) return;
    this.#answer(this.#takePayload());
  }

  /**
   * Answers the waiting GET with `frame` alone; what waits stays.
   *
   * @returns false when no GET is there to be answered
   */
  release(frame: Frame): boolean {
    if (this.#get === undefined || this.#answering) return false;
    this.#answer([frame]);
    return true;
  }

  /**
   * Tells the client of the end, once everything else has gone out in responses of its own: the
   * stock client drops the packets that share a payload with a close.
   *
   * @returns whether the close is on its way; false: a GET has yet to come
   */
  sayClose(): boolean {
    this.flush();
    return this.isEmpty && this.release('1');
  }

  /** Everything that waits, in order; nothing waits afterwards. */
  takeAll(): Frame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#memory.release(this.#holder, this.waitingBytes);
    this.waitingBytes = 0;
    return frames;
  }

  #takePayload(): Frame[] {
    let bytes = 0;
    let count = 0;
    for (const frame of this.#frames) {
      const more = payloadSize(frame) + 1;
      if (count > 0 && bytes + more > this.#limits.maxPayloadBytes) break;
      bytes += more;
      count++;
    }
    if (count === this.#frames.length) return this.takeAll();
    this.waitingBytes -= bytes;
    this.#memory.release(this.#holder, bytes);
    return this.#frames.splice(0, count);
  }

  #answer(frames: readonly Frame[]): void {
    const reply = this.#get;
    if (reply === undefined) return;
    const body = encodePayload(frames);
    // A character is at least a byte: the length alone tells that a body is large enough.
    if (body.length < this.#limits.compressThresholdBytes || !reply.acceptsGzip) {
      this.#get = undefined;
      reply.ok(CONTENT_TYPE, body);
      return;
    }
    this.#answering = true;
    const done = (): void => {
      this.#answering = false;
      this.#get = undefined;
    };
    compress(body, { level: GZIP_LEVEL }).then(
      (packed) => {
        done();
        reply.ok(CONTENT_TYPE, packed, 'gzip');
      },
      () => {
        done(); // Out of memory for zlib: the payload itself is still good.
        reply.ok(CONTENT_TYPE, body);
      },
    );
  }
}
