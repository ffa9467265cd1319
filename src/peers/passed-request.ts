/**
 * One polling request of a session that another process has: passed on to it, and its answer back.
 *
 * Guarantees: exactly one answer, unless the client goes first; then the other process sees its
 * request go too, as if the client were its own. What is held of body and answer is bounded, and
 * counted in the budget of the process. A session whose process is unknown, gone or silent is answered
 * like one that nobody has, so that the client opens a new one. Nothing is tried twice: a second GET
 * could miss what the first one took.
 */
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { ENGINE_ERRORS, type EngineError } from '../realtime/engine-http.ts';
import type { HttpReply } from '../realtime/engine-reply.ts';
import type { HttpRequest } from '../realtime/uws.ts';
import { isShredded } from '../shared/gathered-bytes.ts';
import type { Holder, MemoryBudget } from '../shared/memory-budget.ts';
import { KEY_HEADER, type PeerCall } from './peer-call.ts';

export interface PassedRequestLimits {
  /** Most bytes of a request's body. */
  readonly maxBodyBytes: number;
  /** Most bytes of an answer's body. */
  readonly maxAnswerBytes: number;
  readonly connectTimeoutMs: number;
  /** How long a GET, or a POST, may take from its beginning to its answer. */
  readonly getTimeoutMs: number;
  readonly postTimeoutMs: number;
}

/** How a request ended; the label of a metric. `refused`: by the process that was asked. */
export type PassedOutcome = 'answered' | 'refused' | 'unknown' | 'failed' | 'aborted';

/** What a piece of a body takes beside its bytes. */
const PIECE_BYTES = 300;

/** One request, from its arrival here until it is over: first `send` or `refuse` is expected. */
export class PassedRequest implements Holder {
  /** Who it is, only the process that has the session knows. */
  readonly identified = false;
  heldBytes = 0;
  readonly #reply: HttpReply;
  readonly #limits: PassedRequestLimits;
  readonly #memory: MemoryBudget;
  readonly #done: (request: PassedRequest, outcome: PassedOutcome) => void;
  readonly #isPost: boolean;
  readonly #isBinary: boolean;
  /** The announced length of the body in bytes; NaN where it comes in chunks. */
  readonly #contentLength: number;
  #upstream: ClientRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The part of the body that came before there was a connection to write it to. */
  #early: Buffer[] = [];
  #bodyBytes = 0;
  #bodyPieces = 0;
  #bodyEnded: boolean;
  #over = false;

  /** Reads what is needed of `req` at once. @param done called once, when it is over */
  constructor(
    reply: HttpReply,
    req: HttpRequest,
    limits: PassedRequestLimits,
    memory: MemoryBudget,
    done: (request: PassedRequest, outcome: PassedOutcome) => void,
  ) {
    this.#reply = reply;
    this.#limits = limits;
    this.#memory = memory;
    this.#done = done;
    this.#isPost = req.getMethod() === 'post';
    this.#isBinary = req.getHeader('content-type') === 'application/octet-stream';
    this.#contentLength = Number(req.getHeader('content-length') || Number.NaN);
    this.#bodyEnded = !this.#isPost;
    reply.onAbort = () => this.#finish('aborted');
    // Now, or what comes during the look-up is lost.
    if (this.#isPost) {
      reply.response?.onData((chunk, isLast) => this.#bodyChunk(chunk, isLast));
    }
  }

  /** Calls the process that has the session. */
  send(peer: PeerCall, agent: Agent): void {
    if (this.#over) return;
    const { connectTimeoutMs, getTimeoutMs, postTimeoutMs } = this.#limits;
    const upstream = request({
      agent,
      host: peer.address.host,
      port: peer.address.port,
      method: this.#isPost ? 'POST' : 'GET',
      path: peer.path('polling'),
      headers: this.#headers(peer.address.key),
    });
    this.#upstream = upstream;
    this.#deadline(connectTimeoutMs);
    upstream.on('socket', (socket) => {
      const connected = (): void => this.#deadline(this.#isPost ? postTimeoutMs : getTimeoutMs);
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    upstream.on('response', (answer) => this.#receive(answer));
    upstream.on('error', (error) => {
      if (!this.#over) peer.failed(error);
      this.refuse('failed');
    });
    if (this.#isPost && this.#isTooLong)
      upstream.flushHeaders(); // To be refused by it, unread.
    else if (this.#bodyEnded) upstream.end(Buffer.concat(this.#early));
    else for (const chunk of this.#early) upstream.write(chunk);
    this.#early = [];
  }

  /** Answers as if nobody had the session. */
  refuse(outcome: PassedOutcome): void {
    if (this.#over) return;
    this.#finish(outcome);
    this.#reply.error(ENGINE_ERRORS.unknownSid, !this.#bodyEnded);
  }

  /** Ends the request because this process goes down: the client shall open a new session elsewhere. */
  end(): void {
    this.refuse('failed');
  }

  endForMemory(): void {
    this.#fail(ENGINE_ERRORS.unavailable);
  }

  get #isTooLong(): boolean {
    return this.#contentLength > this.#limits.maxBodyBytes;
  }

  #headers(key: string): Record<string, string | number> {
    return {
      [KEY_HEADER]: key,
      ...(this.#reply.acceptsGzip ? { 'accept-encoding': 'gzip' } : {}),
      ...(this.#isBinary ? { 'content-type': 'application/octet-stream' } : {}),
      ...(this.#isPost && !Number.isNaN(this.#contentLength)
        ? { 'content-length': this.#contentLength }
        : {}),
    };
  }

  #bodyChunk(data: ArrayBuffer, isLast: boolean): void {
    if (this.#over || this.#isTooLong) return;
    this.#bodyBytes += data.byteLength;
    if (this.#bodyBytes > this.#limits.maxBodyBytes) {
      // The session ends with a body that breaks off, as with one that its process refuses.
      this.#fail(ENGINE_ERRORS.payloadTooLarge);
      return;
    }
    this.#bodyPieces += 1;
    if (isShredded(this.#bodyPieces, this.#bodyBytes)) {
      this.#reply.cut();
      return;
    }
    if (!this.#memory.hold(this, data.byteLength + PIECE_BYTES)) return;
    this.#bodyEnded = isLast;
    const chunk = Buffer.from(data.slice(0)); // The buffer dies with the callback.
    if (this.#upstream === undefined) this.#early.push(chunk);
    else if (isLast) this.#upstream.end(chunk);
    else this.#upstream.write(chunk);
  }

  #receive(answer: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      bytes += chunk.length;
      if (bytes > this.#limits.maxAnswerBytes) this.refuse('failed');
      else if (!this.#memory.hold(this, chunk.length + PIECE_BYTES)) chunks.length = 0;
      else chunks.push(chunk);
    });
    answer.on('error', () => this.refuse('failed'));
    answer.on('end', () => this.#answered(answer, Buffer.concat(chunks)));
  }

  #answered(answer: IncomingMessage, body: Buffer): void {
    if (this.#over) return;
    const { statusCode = 0, statusMessage = '', headers } = answer;
    // Not the process that was meant: another one has got its port.
    if (statusCode === 403) {
      this.refuse('failed');
      return;
    }
    const close = !this.#bodyEnded || headers.connection === 'close';
    this.#finish(statusCode < 400 ? 'answered' : 'refused');
    this.#reply.pass(
      {
        status: `${statusCode} ${statusMessage}`,
        contentType: headers['content-type'] ?? '',
        encoding: headers['content-encoding'] ?? '',
        body,
      },
      close,
    );
  }

  #fail(error: EngineError): void {
    this.#finish('failed');
    this.#reply.error(error, true);
  }

  #deadline(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#over) this.#timer = setTimeout(() => this.refuse('failed'), ms);
  }

  #finish(outcome: PassedOutcome): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#early = [];
    this.#memory.releaseAll(this);
    // An answered one goes back to the agent by itself, if its body was taken.
    const answered = outcome === 'answered' || outcome === 'refused';
    if (!answered || !this.#bodyEnded) this.#upstream?.destroy();
    this.#done(this, outcome);
  }
}
