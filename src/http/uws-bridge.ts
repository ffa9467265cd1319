/**
 * Lets Fastify run on a uWebSockets.js app that others use too (Socket.IO has its own routes on
 * it): Fastify answers every path nobody else took.
 *
 * Guarantees: what Fastify's handlers, hooks and plugins see is what they would see on Node's
 * `http`, as far as uWebSockets.js has it; a request that two servers could read differently
 * (repeated Host or Content-Length, odd Transfer-Encoding) is refused before Fastify sees it. What is
 * half received is counted and has a deadline.
 *
 * Where uWebSockets.js differs and nothing can be done: HTTP/1.0, absolute-form and `*` targets get
 * 505; a header over its own buffer (16 KiB) or with over 100 fields, a missing Host, chunk
 * extensions and malformed heads end the connection, some without an answer, and a field name of
 * other characters than letters, digits and hyphen does so only after the idle time; a second
 * request pipelined behind one not yet answered closes the connection; idle connections close after
 * about 10 s whatever Fastify's timeouts say; trailers and interim responses are not sent.
 *
 * Imports only types of the realtime layer: the app is a parameter.
 */
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyServerFactory } from 'fastify';
import { MAX_BUFFERED_ANSWER_BYTES } from '../bounds/http.ts';
import { MAX_HEADER_BYTES } from '../bounds/shared.ts';
import type { HttpResponse, TemplatedApp } from '../realtime/uws.ts';
import { answerWithoutBody } from '../shared/bodyless-answer.ts';
import type { MemoryBudget } from '../shared/memory-budget.ts';
import { ascii, utf8 } from '../shared/native-text.ts';
import { statusLine } from './uws-fields.ts';
import { type Refusal, type RequestHead, readHead } from './uws-head.ts';
import { type BodyLimits, UwsRequest } from './uws-request.ts';
import { type ResponseDeps, UwsResponse } from './uws-response.ts';

export interface UwsBridgeDeps {
  /** The app that owns the port. The bridge registers `any('/*')` on it, the last choice. */
  readonly app: TemplatedApp;
  /** Bytes of a request body held for a slow reader; more is 413. Not below Fastify's bodyLimit. */
  readonly maxBodyBytes: number;
  /** A body that is not complete so many milliseconds after its beginning ends. */
  readonly bodyTimeoutMs: number;
  /** What bodies half received are counted in. */
  readonly memory: MemoryBudget;
  /**
   * Whether a listener of 'finish' may be the first to ask for the client's address, as with Node: a
   * system call for every answer. Default false: whoever asked before the answer knows it after it.
   */
  readonly keepAddresses?: boolean;
  /** The JSON body of the bridge's own refusals. Default: as Fastify's own client errors. */
  readonly refusalBody?: (refusal: Refusal) => string;
  /**
   * Takes the port, for `fastify.listen()`; without it that is an error and the caller listens on
   * the app himself after `fastify.ready()`.
   */
  readonly listen?: (host: string, port: number) => Promise<{ port: number; stop(): void }>;
}

export interface UwsBridge {
  /** For Fastify's option of this name. One Fastify instance per bridge. */
  readonly serverFactory: FastifyServerFactory;
  /** Requests taken in whose response is not sent yet. */
  inFlight(): number;
  /**
   * Resolves when no request is in flight. Waits without a limit: the caller has the deadline.
   */
  idle(): Promise<void>;
}

const CONTENT_TYPE = ascii('Content-Type');
const JSON_TYPE = ascii('application/json; charset=utf-8');
const CONNECTION = ascii('Connection');
const CLOSE = ascii('close');

/**
 * Makes the bridge. There are two ways to use it:
 *
 * - The port is shared: `fastify({ serverFactory })`, `await fastify.ready()`, then listen on the
 *   app; at the end stop listening, `await idle()` and `fastify.close()`.
 * - Fastify alone, with `listen` given: `fastify.listen()` and `fastify.close()` as on Node's http;
 *   closing waits for the requests in flight.
 */
export function createUwsBridge(deps: UwsBridgeDeps): UwsBridge {
  const { app } = deps;
  const bodies: BodyLimits = {
    maxBodyBytes: deps.maxBodyBytes,
    bodyTimeoutMs: deps.bodyTimeoutMs,
    memory: deps.memory,
  };
  const refusalBody = deps.refusalBody ?? fastifyRefusal;
  const load = createLoad();
  const responseDeps: ResponseDeps = {
    maxBufferedBytes: MAX_BUFFERED_ANSWER_BYTES,
    keepsAddresses: deps.keepAddresses ?? false,
    onSettled: load.down,
  };

  function serve(dispatch: (req: UwsRequest, res: UwsResponse) => void): void {
    function hand(request: UwsRequest, response: UwsResponse, res: HttpResponse): void {
      try {
        dispatch(request, response);
      } catch (error) {
        giveUp(res, response);
        throw error;
      }
    }

    app.any('/*', (res, req) => {
      let response: UwsResponse | undefined;
      try {
        const head = readHead(req, MAX_HEADER_BYTES);
        if (head.refusal !== undefined) {
          refuse(res, head, head.refusal, refusalBody(head.refusal));
          return;
        }
        load.up();
        const request = new UwsRequest(head, bodies);
        const taken = new UwsResponse(res, request, head.close, responseDeps);
        response = taken;
        if (head.hasBody) res.onData((chunk, isLast) => request.receive(chunk, isLast));
        // A body of pieces is waited for: answered before its end, its client could go on with pieces
        // of a byte, each of them a call into JavaScript, and nothing could end that any more.
        if (head.isChunked) request.whenReceived(() => hand(request, taken, res));
        else dispatch(request, taken);
      } catch (error) {
        giveUp(res, response);
        throw error;
      }
      // Only now: what was answered at once needs no handler, and nothing aborts in between.
      const taken = response;
      if (!taken.settled) res.onAborted(() => taken.abort());
    });
  }

  const serverFactory: FastifyServerFactory = (handler) => {
    // Our pair stands in for Node's: structurally what Fastify uses of it, held to that by the one
    // test suite that both doors run. Extending Node's classes would cost what the bridge gains.
    serve(handler as unknown as (req: UwsRequest, res: UwsResponse) => void);
    return new UwsServer(deps.listen, load.idle) as unknown as Server;
  };
  return { serverFactory, inFlight: load.count, idle: load.idle };
}

/** Left without an answer by a fault of ours, uWebSockets.js aborts the process: no draining, no words. */
function giveUp(res: HttpResponse, response: UwsResponse | undefined): void {
  if (response?.settled === true) return;
  response?.abort();
  res.close();
}

/** Counts the requests in flight. */
function createLoad() {
  let inFlight = 0;
  let waiting: (() => void)[] = [];
  return {
    up(): void {
      inFlight += 1;
    },
    down(): void {
      inFlight -= 1;
      if (inFlight > 0 || waiting.length === 0) return;
      const all = waiting;
      waiting = [];
      for (const resolve of all) resolve();
    },
    count: (): number => inFlight,
    idle(): Promise<void> {
      if (inFlight === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

function refuse(res: HttpResponse, head: RequestHead, { status }: Refusal, body: string): void {
  res.writeStatus(statusLine(status, ''));
  res.writeHeader(CONTENT_TYPE, JSON_TYPE);
  if (head.close) res.writeHeader(CONNECTION, CLOSE);
  // Closed, for what follows on this connection cannot be trusted to be a request.
  if (head.method === 'HEAD') answerWithoutBody(res, Buffer.byteLength(body), true);
  else res.end(utf8(body), true);
}

function fastifyRefusal({ status, message }: Refusal): string {
  const error = status === 431 ? 'Request Header Fields Too Large' : 'Bad Request';
  return JSON.stringify({ error, message, statusCode: status });
}

/** What Fastify needs of an `http.Server`. */
class UwsServer extends EventEmitter {
  listening = false;
  // Fastify sets these; uWebSockets.js has its own.
  keepAliveTimeout = 0;
  requestTimeout = 0;
  headersTimeout = 0;
  timeout = 0;
  readonly #take: UwsBridgeDeps['listen'];
  readonly #idle: () => Promise<void>;
  #address: AddressInfo | null = null;
  #stop: (() => void) | undefined;

  constructor(take: UwsBridgeDeps['listen'], idle: () => Promise<void>) {
    super();
    this.#take = take;
    this.#idle = idle;
  }

  listen(where: { host?: string; port?: number }, callback?: () => void): this {
    if (callback !== undefined) this.once('listening', callback);
    const host = where.host ?? '';
    const taking =
      this.#take?.(host, where.port ?? 0) ??
      Promise.reject(new Error('The bridge was made without `listen`: listen on the app itself'));
    taking.then(
      ({ port, stop }) => {
        const family = host.includes(':') || host === '' ? 'IPv6' : 'IPv4';
        this.#address = { address: host === '' ? '::' : host, family, port };
        this.#stop = stop;
        this.listening = true;
        this.emit('listening');
      },
      (error: unknown) => this.emit('error', error),
    );
    return this;
  }

  close(callback?: (error?: Error) => void): this {
    this.#stop?.();
    this.#stop = undefined;
    this.listening = false;
    this.#idle().then(() => {
      this.#address = null;
      this.emit('close');
      callback?.();
    });
    return this;
  }

  /** Idle connections belong to the app, which closes them by itself. */
  closeIdleConnections(): void {
    return;
  }

  address(): AddressInfo | null {
    return this.#address;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
