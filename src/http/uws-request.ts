/**
 * One HTTP request on uWebSockets.js, with the face of Node's `IncomingMessage` that Fastify and
 * its plugins use.
 *
 * Guarantees: everything is copied out of uWebSockets.js before its callback returns; at most
 * `maxBodyBytes` of a body are held, counted in the budget of the process, for `bodyTimeoutMs`; what
 * comes after is dropped and the reader gets an error with `statusCode` 413; 'close' comes once, after the
 * response or with the abort, never before.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { isShredded } from '../shared/gathered-bytes.ts';
import { ipText } from '../shared/ip-text.ts';
import type { Holder, MemoryBudget } from '../shared/memory-budget.ts';
import type { RequestHead } from './uws-head.ts';
import { type Answering, nobody, UwsSocket } from './uws-socket.ts';

/** What the bridge lets every body take; one object for all of them. */
export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** A body must be complete so many milliseconds after its beginning. */
  readonly bodyTimeoutMs: number;
  readonly memory: MemoryBudget;
}

/** What a piece of a body takes beside its bytes. */
const PIECE_BYTES = 300;

/** A body larger than the bridge holds; Fastify answers it by its `statusCode`. */
export class BodyTooLargeError extends Error {
  readonly statusCode = 413;
  readonly code = 'FST_ERR_CTP_BODY_TOO_LARGE';
  constructor() {
    super('Request body is too large');
  }
}

class AbortedError extends Error {
  readonly code = 'ECONNRESET';
  constructor() {
    super('aborted');
  }
}

/** One request; made in the callback of uWebSockets.js. */
export class UwsRequest extends Readable implements Holder {
  readonly httpVersion = '1.1';
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  readonly method: string;
  /** Path and query; it can be written, because Fastify's `rewriteUrl` does. */
  url: string;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string> = {};
  readonly rawTrailers: string[] = [];
  /** The client went away, or the connection was destroyed, before the response was sent. */
  aborted = false;
  /** Whether the whole request has arrived. */
  complete: boolean;
  /** Whether it is known who calls. Whoever finds out says so. */
  identified = false;
  heldBytes = 0;

  // Set by `answeredBy` before anyone sees the request.
  #answer: Answering = nobody;
  readonly #limits: BodyLimits;
  #received = 0;
  #pieces = 0;
  #deadline: NodeJS.Timeout | undefined;
  #ready: (() => void) | undefined;
  #failure: BodyTooLargeError | undefined;
  #address: ArrayBuffer | undefined;
  #socket: UwsSocket | undefined;

  constructor(head: RequestHead, limits: BodyLimits) {
    // Destroying itself after 'end' would say 'close' before the response, which plugins take for
    // an abort.
    super({ autoDestroy: false });
    this.method = head.method;
    this.url = head.url;
    this.headers = head.headers;
    this.complete = !head.hasBody;
    this.#limits = limits;
    if (head.contentLength > limits.maxBodyBytes) this.#failure = new BodyTooLargeError();
  }

  answeredBy(answer: Answering): void {
    this.#answer = answer;
  }

  get socket(): UwsSocket {
    if (this.#socket === undefined) {
      this.keepAddress();
      const address = this.#address === undefined ? undefined : ipText(this.#address);
      this.#socket = new UwsSocket(this.#answer, address);
    }
    return this.#socket;
  }

  get connection(): UwsSocket {
    return this.socket;
  }

  get rawHeaders(): string[] {
    const raw: string[] = [];
    for (const [name, value] of Object.entries(this.headers)) {
      for (const one of Array.isArray(value) ? value : [value]) raw.push(name, one ?? '');
    }
    return raw;
  }

  /** Copies the client's address, so that it can be read after the response (access logs do). */
  keepAddress(): void {
    this.#address ??= this.#answer.remoteAddressBytes();
  }

  setTimeout(): this {
    return this;
  }

  /** Takes a piece of the body from uWebSockets.js; `chunk` is only read during the call. */
  receive(chunk: ArrayBuffer, isLast: boolean): void {
    this.#received += chunk.byteLength;
    this.#pieces += 1;
    if (isLast) this.#completed();
    if (this.destroyed || this.#failure !== undefined) return;
    // After the response nobody new will read: only a reader at work gets the rest.
    const isAnswered = this.#answer.settled;
    if (isAnswered && this.readableFlowing !== true) return;
    if (this.#received > this.#limits.maxBodyBytes) {
      this.#failure = new BodyTooLargeError();
      // Whoever reads already hears of it now; a later reader on its first read.
      if (this.listenerCount('error') > 0) this.destroy(this.#failure);
      this.#ready?.();
      return;
    }
    if (!isLast && !isAnswered && !this.#holds(chunk.byteLength)) return;
    if (chunk.byteLength > 0) this.push(Buffer.from(new Uint8Array(chunk)));
    if (!isLast) return;
    this.push(null);
    this.#ready?.();
  }

  /** Calls `ready` once, when all of the body is here or it has turned out to be too large. */
  whenReceived(ready: () => void): void {
    this.#ready = ready;
  }

  /** Counts a piece of a body that is not complete; whether it may be kept. */
  #holds(bytes: number): boolean {
    this.#deadline ??= setTimeout(() => this.endForMemory(), this.#limits.bodyTimeoutMs);
    if (isShredded(this.#pieces, this.#received)) this.endForMemory();
    else this.#limits.memory.hold(this, bytes + PIECE_BYTES);
    return !this.destroyed;
  }

  /** Too slow, in shreds, or in the way of others: the connection goes. */
  endForMemory(): void {
    this.#answer.destroy();
  }

  /** Nothing more of the body will come. */
  #completed(): void {
    this.complete = true;
    this.#letGo();
  }

  /** What was held goes to whoever reads, or nowhere. */
  #letGo(): void {
    clearTimeout(this.#deadline);
    this.#limits.memory.releaseAll(this);
  }

  /** The connection is gone before the response was sent. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#letGo();
    this.destroy(this.complete ? undefined : new AbortedError());
    // After 'error', or stream.finished() would take it for the reason.
    process.nextTick(emitAborted, this);
    if (this.#socket !== undefined) {
      this.#socket.destroyed = true;
      this.#socket.emit('close', true);
    }
  }

  /** To be called when the response was sent in full. */
  settle(): void {
    this.#letGo();
    if (!this.destroyed && this.complete && this.listenerCount('close') > 0) this.destroy();
  }

  override resume(): this {
    if (this.#failure !== undefined && !this.destroyed) {
      this.destroy(this.#failure);
      return this;
    }
    return super.resume();
  }

  override _read(): void {
    if (this.#failure !== undefined) {
      if (this.listenerCount('error') > 0) this.destroy(this.#failure);
    } else if (this.complete && this.#received === 0) {
      this.push(null);
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const own = error === this.#failure && error !== null;
    // As in Node: destroying a request destroys its connection. Too large a body does not, it is
    // answered.
    if (!own && !this.#answer.settled) this.#answer.destroy();
    // And as in Node: an abort nobody listens for is not an uncaught exception.
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}

function emitAborted(request: UwsRequest): void {
  request.emit('aborted');
}
