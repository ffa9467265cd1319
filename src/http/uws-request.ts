/**
 * One HTTP request on uWebSockets.js, with the face of Node's `IncomingMessage` that Fastify and
 * its plugins use.
 *
 * Guarantees: everything is copied out of uWebSockets.js before its callback returns; at most
 * `maxBodyBytes` of a body are held, what comes after is dropped and the reader gets an error with
 * `statusCode` 413; 'close' comes once, after the response or with the abort, never before.
 */
import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { ipText } from '../shared/ip-text.ts';
import type { RequestHead } from './uws-head.ts';

/** What a request needs of its response: the peer's address while there is one, and its end. */
export interface RequestPeer {
  /** The peer's binary address, undefined once the connection was let go. */
  remoteAddressBytes(): ArrayBuffer | undefined;
  /** Whether the response is over: sent in full, aborted or destroyed. */
  readonly settled: boolean;
  /** Closes the connection. */
  destroy(error?: Error): unknown;
}

const nobody: RequestPeer = {
  settled: true,
  remoteAddressBytes: () => undefined,
  destroy: () => undefined,
};

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

/** The little of a `net.Socket` that Fastify and its plugins read; made only when asked for. */
export class UwsSocket extends EventEmitter {
  readonly encrypted = false;
  readonly remotePort: number | undefined = undefined;
  readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
  destroyed = false;
  readonly remoteAddress: string | undefined;
  readonly #peer: RequestPeer;

  constructor(peer: RequestPeer, address: string | undefined) {
    super();
    this.#peer = peer;
    this.remoteAddress = address;
    this.remoteFamily = address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4';
    this.destroyed = peer.settled;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  destroy(error?: Error): this {
    this.#peer.destroy(error);
    return this;
  }

  // uWebSockets.js has its own timers and socket options; asking for others changes nothing.
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

export class UwsRequest extends Readable {
  readonly httpVersion = '1.1';
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  readonly method: string;
  /** Writable: Fastify's `rewriteUrl` sets it. */
  url: string;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string> = {};
  readonly rawTrailers: string[] = [];
  /** The client went away, or the connection was destroyed, before the response was sent. */
  aborted = false;
  /** The whole request has arrived. */
  complete: boolean;

  // Set by `answeredBy` before anyone sees the request.
  #peer: RequestPeer = nobody;
  readonly #maxBodyBytes: number;
  #received = 0;
  #failure: BodyTooLargeError | undefined;
  #address: ArrayBuffer | undefined;
  #socket: UwsSocket | undefined;

  constructor(head: RequestHead, maxBodyBytes: number) {
    // Destroying itself after 'end' would say 'close' before the response, which plugins take for
    // an abort.
    super({ autoDestroy: false });
    this.method = head.method;
    this.url = head.url;
    this.headers = head.headers;
    this.complete = !head.hasBody;
    this.#maxBodyBytes = maxBodyBytes;
    if (head.contentLength > maxBodyBytes) this.#failure = new BodyTooLargeError();
  }

  answeredBy(peer: RequestPeer): void {
    this.#peer = peer;
  }

  get socket(): UwsSocket {
    if (this.#socket === undefined) {
      this.keepAddress();
      const address = this.#address === undefined ? undefined : ipText(this.#address);
      this.#socket = new UwsSocket(this.#peer, address);
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

  /** Copies the peer's address, so that it can be read after the response (access logs do). */
  keepAddress(): void {
    this.#address ??= this.#peer.remoteAddressBytes();
  }

  setTimeout(): this {
    return this;
  }

  /** Takes a piece of the body from uWebSockets.js; `chunk` is only read during the call. */
  receive(chunk: ArrayBuffer, isLast: boolean): void {
    this.#received += chunk.byteLength;
    if (isLast) this.complete = true;
    if (this.destroyed || this.#failure !== undefined) return;
    if (this.#received > this.#maxBodyBytes) {
      this.#failure = new BodyTooLargeError();
      // Whoever reads already hears of it now; a later reader on its first read.
      if (this.listenerCount('error') > 0) this.destroy(this.#failure);
      return;
    }
    // After the response nobody new will read: only a reader at work gets the rest.
    if (this.#peer.settled && this.readableFlowing !== true) return;
    if (chunk.byteLength > 0) this.push(Buffer.from(new Uint8Array(chunk)));
    if (isLast) this.push(null);
  }

  /** The connection is gone before the response was sent. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.destroy(this.complete ? undefined : new AbortedError());
    // After 'error', or stream.finished() would take it for the reason.
    process.nextTick(emitAborted, this);
    if (this.#socket !== undefined) {
      this.#socket.destroyed = true;
      this.#socket.emit('close', true);
    }
  }

  /** The response was sent in full. */
  settle(): void {
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
    if (!own && !this.#peer.settled) this.#peer.destroy();
    // And as in Node: an abort nobody listens for is not an uncaught exception.
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}

function emitAborted(request: UwsRequest): void {
  request.emit('aborted');
}
