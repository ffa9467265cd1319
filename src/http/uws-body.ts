/**
 * The body of a response that is written in pieces. With an announced length the pieces go through
 * `tryEnd`, which keeps the Content-Length and takes only what the socket takes; without one they
 * are chunked, and uWebSockets.js buffers the last piece.
 *
 * Guarantees: never more bytes than announced (a client would read them as the next response);
 * bytes stay in order; `bufferedBytes` counts what waits here.
 */
import type { HttpResponse } from '../realtime/uws.ts';

export interface BodyEvents {
  /** Called when the client took what was waiting: the source may go on. */
  onDrain(): void;
  /** Called when uWebSockets.js has all of the body: the response object is dead. */
  onSent(): void;
}

function nothing(): void {
  return;
}

/** The body of one response, from its first piece to its end. */
export class UwsBody {
  needsDrain = false;
  bufferedBytes = 0;
  readonly #res: HttpResponse;
  readonly #announced: number;
  readonly #events: BodyEvents;
  #queue: Uint8Array[] = [];
  /** Bytes that `write` was given so far. */
  #offered = 0;
  /** Bytes that uWebSockets.js has taken so far. */
  #taken = 0;
  #sent = false;

  /** @param announced length of the body in bytes, -1 when unknown. */
  constructor(res: HttpResponse, announced: number, events: BodyEvents) {
    this.#res = res;
    this.#announced = announced;
    this.#events = events;
    res.onWritable(() => this.#onWritable());
  }

  /** Writes a piece, within a cork; false when the source should wait for `onDrain`. */
  write(piece: Uint8Array): boolean {
    let bytes = piece;
    if (this.#announced >= 0) bytes = piece.subarray(0, this.#announced - this.#offered);
    if (bytes.length === 0) return !this.needsDrain;
    this.#offered += bytes.length;
    if (this.#announced < 0) {
      // The library does not tell how much it holds; what is written against its advice is counted.
      if (this.needsDrain) this.bufferedBytes += bytes.length;
      if (!this.#res.write(bytes)) this.needsDrain = true;
    } else if (this.#queue.length > 0) {
      this.#hold(bytes);
    } else {
      this.#offer(bytes);
    }
    return !this.needsDrain;
  }

  /** Ends the body, within a cork; false when fewer bytes were written than announced. */
  end(): boolean {
    if (this.#announced >= 0) return this.#offered === this.#announced;
    this.#res.end();
    this.#finish();
    return true;
  }

  #hold(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.bufferedBytes += bytes.length;
    this.needsDrain = true;
  }

  #offer(bytes: Uint8Array): void {
    const [ok, done] = this.#res.tryEnd(bytes, this.#announced);
    if (done) {
      this.#finish();
      return;
    }
    const before = this.#taken;
    this.#taken = ok ? before + bytes.length : this.#res.getWriteOffset();
    if (ok) return;
    const rest = bytes.subarray(this.#taken - before);
    if (rest.length > 0) this.#hold(rest);
    this.needsDrain = true;
  }

  /** The socket takes bytes again. The answer says whether all that waited was taken. */
  #onWritable(): boolean {
    if (this.#sent) return true;
    // Chunked: an empty cork makes uWebSockets.js send its own buffer, which it leaves to the next
    // write otherwise; a source that pauses now would leave its last bytes there.
    this.#res.cork(this.#announced < 0 ? nothing : () => this.#offerHeld());
    if (this.#sent) return true;
    if (this.#queue.length > 0) return false;
    this.needsDrain = false;
    this.bufferedBytes = 0;
    this.#events.onDrain();
    return this.#sent || this.#queue.length === 0;
  }

  #offerHeld(): void {
    const held = this.#queue;
    this.#queue = [];
    this.bufferedBytes = 0;
    for (const bytes of held) {
      if (this.#queue.length > 0) this.#hold(bytes);
      else this.#offer(bytes);
    }
  }

  #finish(): void {
    this.#sent = true;
    this.#events.onSent();
  }
}
