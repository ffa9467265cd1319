/**
 * One HTTP response on uWebSockets.js, with the face of Node's `ServerResponse` that Fastify and
 * its plugins use. A lean event emitter, not a `Writable`: most responses are one `writeHead` and
 * one `end`, and go out in one write.
 *
 * Guarantees: uWebSockets.js is not touched after the response was sent, aborted or destroyed;
 * `end` twice, and writes after it, change nothing; a stream feels the client's backpressure, and
 * one that ignores it is destroyed at `maxBufferedBytes`.
 */
import type { HttpResponse } from '../realtime/uws.ts';
import { answerWithoutBody } from '../shared/bodyless-answer.ts';
import { utf8 } from '../shared/native-text.ts';
import { UwsBody } from './uws-body.ts';
import { statusLine, writeBlock } from './uws-fields.ts';
import type { UwsRequest } from './uws-request.ts';
import { ResponseError, UwsResponseHead } from './uws-response-head.ts';
import type { Answering, UwsSocket } from './uws-socket.ts';

type Chunk = string | Uint8Array | null | undefined;
type Done = (error?: Error | null) => void;

/** What the bridge gives every response; one object for all of them. */
export interface ResponseDeps {
  /** Bytes a response may hold for a client slower than its source. */
  readonly maxBufferedBytes: number;
  /** Whether the client's address can be asked for first after the answer. */
  readonly keepsAddresses: boolean;
  /** Called once a response was sent, aborted or destroyed. */
  onSettled(): void;
}

// Told to clients so that they do not reuse a connection in the moment it is closed:
// uWebSockets.js closes an idle one after 10 s, give or take its clock of 4 s.
const keepAlive = 'keep-alive\r\nKeep-Alive: timeout=6';

/** One response, from the request's arrival until it is sent, aborted or destroyed. */
export class UwsResponse extends UwsResponseHead implements Answering {
  /** As in Node it stays true; `writableEnded` and `destroyed` say more. */
  readonly writable = true;
  writableEnded = false;
  /** Everything was handed to uWebSockets.js, which sends it without us. */
  writableFinished = false;
  destroyed = false;
  errored: Error | null = null;
  closed = false;
  readonly req: UwsRequest;

  /** Undefined as soon as it must not be touched any more. */
  #res: HttpResponse | undefined;
  readonly #clientCloses: boolean;
  readonly #deps: ResponseDeps;
  #body: UwsBody | undefined;

  /** @param clientCloses the client asked to close the connection after this response. */
  constructor(res: HttpResponse, req: UwsRequest, clientCloses: boolean, deps: ResponseDeps) {
    super();
    this.#res = res;
    this.req = req;
    this.#clientCloses = clientCloses;
    this.#deps = deps;
    req.answeredBy(this);
  }

  get settled(): boolean {
    return this.#res === undefined;
  }

  get finished(): boolean {
    return this.writableEnded;
  }

  get writableNeedDrain(): boolean {
    return this.#body?.needsDrain ?? false;
  }

  get writableLength(): number {
    return this.#body?.bufferedBytes ?? 0;
  }

  get shouldKeepAlive(): boolean {
    return !this.#clientCloses;
  }

  get socket(): UwsSocket {
    return this.req.socket;
  }

  get connection(): UwsSocket {
    return this.req.socket;
  }

  // By these Node's stream.finished() knows an OutgoingMessage, and so sees one that is closed.
  get _closed(): boolean {
    return this.closed;
  }

  get _defaultKeepAlive(): boolean {
    return true;
  }

  get _removedConnection(): boolean {
    return false;
  }

  get _removedContLen(): boolean {
    return false;
  }

  remoteAddressBytes(): ArrayBuffer | undefined {
    return this.#res?.getRemoteAddress();
  }

  /** Writes a piece of the body; false when the source should wait for 'drain'. */
  write(chunk: string | Uint8Array, encoding?: BufferEncoding | Done | null, done?: Done): boolean {
    const callback = typeof encoding === 'function' ? encoding : done;
    const res = this.#res;
    if (res === undefined || this.writableEnded) {
      const code = this.writableEnded ? 'ERR_STREAM_WRITE_AFTER_END' : 'ERR_STREAM_DESTROYED';
      if (callback) process.nextTick(callback, new ResponseError(code, 'The response is over'));
      return !this.destroyed && !this.writableEnded; // Bytes beyond the announced length.
    }
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8')
        : chunk;
    let more = true;
    if (this.#body === undefined) this.#settleHead();
    if (this.#hasBody()) {
      res.cork(() => {
        more = this.#writePiece(res, bytes);
      });
    }
    if (callback) process.nextTick(callback);
    if (this.writableLength > this.#deps.maxBufferedBytes) {
      this.destroy(
        new ResponseError('ERR_BUFFER_TOO_LARGE', 'The client is slower than the source'),
      );
    }
    return more;
  }

  /** Ends the response, with the last or only piece of its body. */
  end(chunk?: Chunk | Done, encoding?: BufferEncoding | Done | null, done?: Done): this {
    const callback =
      typeof chunk === 'function' ? chunk : typeof encoding === 'function' ? encoding : done;
    const data = typeof chunk === 'function' ? undefined : chunk;
    if (this.writableEnded || this.destroyed) {
      this.writableEnded = true;
      if (callback) {
        process.nextTick(
          callback,
          new ResponseError('ERR_STREAM_ALREADY_FINISHED', 'Already ended'),
        );
      }
      return this;
    }
    this.writableEnded = true;
    if (callback) this.once('finish', callback);
    const res = this.#res;
    if (res === undefined) {
      this.#finish(); // The announced length was reached before.
      return this;
    }
    const recode = typeof data === 'string' && typeof encoding === 'string' && encoding !== 'utf8';
    const body = recode ? Buffer.from(data, encoding) : data;
    const pieces = this.#body;
    if (pieces === undefined) {
      this.#settleHead();
      corking = this;
      corkingRes = res;
      corkingData = body;
      res.cork(flushCorked);
      this.#sent();
      return this;
    }
    let complete = true;
    res.cork(() => {
      if (body) pieces.write(typeof body === 'string' ? Buffer.from(body) : body);
      // The last piece may have sent it all already.
      complete = this.#res === undefined || pieces.end();
    });
    // Less than announced: only closing tells the client that the rest will not come.
    if (!complete) this.destroy();
    return this;
  }

  /** Closes the connection; what was written may or may not arrive. */
  destroy(error?: Error): this {
    if (this.destroyed) return this;
    const res = this.#res;
    if (res === undefined) {
      this.destroyed = true; // Sent already: the connection is not ours any more.
      return this;
    }
    this.errored = error ?? null;
    this.#lost();
    res.close();
    return this;
  }

  /** uWebSockets.js says that the connection is gone. */
  abort(): void {
    if (this.#res !== undefined) this.#lost();
  }

  /** Writes head and body in one go, within a cork. For `flushCorked` only. */
  flush(res: HttpResponse, data: Chunk): void {
    const block = this.block;
    if (block === undefined) return;
    const status = statusLine(this.statusCode, this.statusMessage);
    const closes = this.#clientCloses || block.close;
    if (!this.#hasBody()) {
      writeBlock(res, status, closes ? 'close' : keepAlive, block);
      let length = block.contentLength;
      if (length < 0 && data && this.req.method === 'HEAD') length = Buffer.byteLength(data);
      answerWithoutBody(res, length < 0 || this.statusCode === 204 ? undefined : length);
      return;
    }
    // Asked to close, uWebSockets.js says so itself unless the client did. It closes at once, so
    // not while the client still sends: the reset would destroy our answer on its way.
    const libraryCloses = block.close && !this.#clientCloses && this.req.complete;
    const connection = libraryCloses ? undefined : closes ? 'close' : keepAlive;
    writeBlock(res, status, connection, block);
    res.end(typeof data === 'string' ? utf8(data) : (data ?? undefined), libraryCloses);
  }

  #hasBody(): boolean {
    const status = this.statusCode;
    return this.req.method !== 'HEAD' && status !== 204 && status !== 304 && status >= 200;
  }

  #settleHead(): void {
    if (!this.headersSent) this.writeHead(this.statusCode);
    // After it the connection is not ours any more, and the address cannot be found out.
    if (this.#deps.keepsAddresses) this.req.keepAddress();
  }

  #writePiece(res: HttpResponse, bytes: Uint8Array): boolean {
    if (this.#body === undefined) {
      const block = this.block;
      if (block === undefined) return false;
      // uWebSockets.js cannot be told to close after a stream: the header tells the client, and
      // the idle timeout closes if it does not.
      const connection = this.#clientCloses || block.close ? 'close' : keepAlive;
      writeBlock(res, statusLine(this.statusCode, this.statusMessage), connection, block);
      this.#body = new UwsBody(res, block.contentLength, {
        onDrain: () => this.emit('drain'),
        onSent: () => this.#sent(),
      });
    }
    return this.#body.write(bytes);
  }

  #sent(): void {
    this.#res = undefined;
    if (this.writableEnded) this.#finish();
    this.#deps.onSettled();
  }

  #finish(): void {
    this.writableFinished = true;
    if (this.listenerCount('finish') > 0 || this.listenerCount('close') > 0) {
      process.nextTick(emitFinish, this);
    } else {
      this.closed = true;
    }
    this.req.settle();
  }

  #lost(): void {
    this.#res = undefined;
    this.destroyed = true;
    this.req.abort();
    this.#deps.onSettled();
    process.nextTick(emitClose, this);
  }
}

// The response being flushed, in variables: `cork` wants a function without arguments, and a
// closure for every response would be garbage for nothing.
let corking: UwsResponse;
let corkingRes: HttpResponse;
let corkingData: Chunk;

function flushCorked(): void {
  corking.flush(corkingRes, corkingData);
  corkingData = undefined;
}

function emitFinish(response: UwsResponse): void {
  response.emit('finish');
  emitClose(response);
}

function emitClose(response: UwsResponse): void {
  response.closed = true;
  response.emit('close');
}
