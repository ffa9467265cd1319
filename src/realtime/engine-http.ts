/**
 * What the Engine.IO layer reads from an HTTP request and writes as its answer: facts that outlive
 * the request, CORS, error bodies.
 *
 * Guarantees: a reply is written at most once and never after an abort; every answer, errors
 * included, carries the CORS headers; `Connection: close` is answered in kind.
 */

import { ipText } from '../shared/ip-text.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** Request headers that survive the request, for `Handshake.headers`. */
export const KEPT_HEADERS: ReadonlySet<string> = new Set([
  'origin',
  'user-agent',
  'authorization',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-real-ip',
]);
/** Those that are lists: repeated, they are one (RFC 9110 section 5.3). Of the others the first counts. */
const LISTS: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-proto']);

/** Error codes of the stock server. */
export const ENGINE_ERRORS = {
  unknownTransport: { status: '400 Bad Request', code: 0, message: 'Transport unknown' },
  unknownSid: { status: '400 Bad Request', code: 1, message: 'Session ID unknown' },
  badHandshakeMethod: { status: '400 Bad Request', code: 2, message: 'Bad handshake method' },
  badRequest: { status: '400 Bad Request', code: 3, message: 'Bad request' },
  forbidden: { status: '403 Forbidden', code: 4, message: 'Forbidden' },
  unsupportedVersion: {
    status: '400 Bad Request',
    code: 5,
    message: 'Unsupported protocol version',
  },
  queryTooLong: { status: '414 URI Too Long', code: 3, message: 'Bad request' },
  payloadTooLarge: { status: '413 Payload Too Large', code: 3, message: 'Payload too large' },
  bodyTimeout: { status: '408 Request Timeout', code: 3, message: 'Body not received in time' },
  tooMany: { status: '429 Too Many Requests', code: 4, message: 'Too many connections' },
  unavailable: { status: '503 Service Unavailable', code: 3, message: 'No new sessions' },
} as const;

export type EngineError = (typeof ENGINE_ERRORS)[keyof typeof ENGINE_ERRORS];

/** What is kept of the request that opened a session, until its owner drops it. */
export interface RequestFacts {
  readonly query: ReadonlyMap<string, string>;
  readonly headers: ReadonlyMap<string, string>;
  readonly address: string;
  readonly secure: boolean;
  /** Milliseconds since 1970. */
  readonly issued: number;
}

/** Judges clients by where their requests come from; those it does not admit get 429. */
export interface ClientGate {
  /** Whether the client of a handshake may come in. */
  admits(facts: RequestFacts): boolean;
  /** Whether a request for a session that is not here may be looked at. */
  admitsStray(facts: RequestFacts): boolean;
  /** Such a request was for a session that nobody has. */
  strayed(facts: RequestFacts): void;
}

/** How an origin is treated. */
export interface CorsDecision {
  readonly allowed: boolean;
  /** Value of `Access-Control-Allow-Origin`, '' for none. */
  readonly allowOrigin: string;
  readonly credentials: boolean;
}

/** What an Origin header is allowed, on a request to this Host. */
export type Cors = (origin: string, host: string) => CorsDecision;

/**
 * Decides by `corsOrigins`. Requests without an Origin header do not come from a page; a page of
 * this very host is no stranger (browsers send Origin on its WebSockets and POSTs too).
 */
export function createCors(corsOrigins: '*' | readonly string[]): Cors {
  if (corsOrigins === '*') {
    const anyone: CorsDecision = { allowed: true, allowOrigin: '*', credentials: false };
    return () => anyone;
  }
  const origins = new Set(corsOrigins.map((origin) => origin.toLowerCase()));
  const stranger: CorsDecision = { allowed: false, allowOrigin: '', credentials: false };
  const none: CorsDecision = { allowed: true, allowOrigin: '', credentials: false };
  return (origin, host) => {
    if (origin === '') return none;
    if (host !== '' && origin.replace(/^https?:\/\//, '') === host) return none;
    if (!origins.has(origin.toLowerCase())) return stranger;
    return { allowed: true, allowOrigin: origin, credentials: true };
  };
}

/** The decoded query; of a repeated key the last one counts. Odd escapes are kept as they are. */
export function parseQuery(query: string): Map<string, string> {
  return new Map(new URLSearchParams(query));
}

/** Whether `text` could not be a header value by RFC 9110 (control characters). */
export function hasControlCharacters(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return true;
  }
  return false;
}

/** Reads what a session's handlers may want to know later: `req` dies with the handler. */
export function readFacts(
  res: HttpResponse,
  req: HttpRequest,
  query: ReadonlyMap<string, string>,
): RequestFacts {
  const headers = new Map<string, string>();
  // Not getHeader: of a repeated field it gives one only.
  req.forEach((name, value) => {
    if (value === '' || !KEPT_HEADERS.has(name)) return;
    const seen = headers.get(name);
    if (seen === undefined) headers.set(name, value);
    else if (LISTS.has(name)) headers.set(name, `${seen}, ${value}`);
  });
  const proto = headers.get('x-forwarded-proto') ?? '';
  return {
    query,
    headers,
    address: ipText(res.getRemoteAddress()),
    secure: proto.split(',', 1)[0]?.trim().toLowerCase() === 'https',
    issued: Date.now(),
  };
}

/** An answer made elsewhere. Its texts are '' where it had none. */
export interface PassedAnswer {
  /** `200 OK` */
  readonly status: string;
  readonly contentType: string;
  readonly encoding: string;
  readonly body: Uint8Array;
}

/** One HTTP answer to be given, now or later. */
export class HttpReply {
  /** Runs when the client goes before the answer. */
  onAbort: (() => void) | undefined;
  readonly acceptsGzip: boolean;
  readonly #cors: CorsDecision;
  readonly #closing: boolean;
  readonly #head: boolean;
  #res: HttpResponse | undefined;

  constructor(res: HttpResponse, req: HttpRequest, cors: CorsDecision) {
    this.#res = res;
    this.#cors = cors;
    this.#head = req.getMethod() === 'head';
    this.#closing = /(?:^|,)\s*close\s*(?:,|$)/i.test(req.getHeader('connection'));
    this.acceptsGzip = acceptsGzip(req.getHeader('accept-encoding'));
    res.onAborted(() => {
      this.#res = undefined;
      this.onAbort?.();
    });
  }

  /** Whether the answer is still owed. */
  get open(): boolean {
    return this.#res !== undefined;
  }

  /** The response, for reading the request's body; undefined once answered or aborted. */
  get response(): HttpResponse | undefined {
    return this.#res;
  }

  /** Answers 200. Does nothing when the answer was given or the client has gone. */
  ok(contentType: string, body: string | Uint8Array, encoding?: 'gzip'): void {
    this.#write('200 OK', body, false, (res) => {
      res.writeHeader('Content-Type', contentType);
      if (encoding !== undefined) {
        res.writeHeader('Content-Encoding', encoding).writeHeader('Vary', 'Accept-Encoding');
      }
    });
  }

  /** Gives the answer of somebody else. `close` as with `error`. */
  pass(answer: PassedAnswer, close: boolean): void {
    this.#write(answer.status, answer.body, close, (res) => {
      if (answer.contentType !== '') res.writeHeader('Content-Type', answer.contentType);
      if (answer.encoding !== '') {
        res.writeHeader('Content-Encoding', answer.encoding).writeHeader('Vary', 'Accept-Encoding');
      }
    });
  }

  /** Answers `{code, message}`. `close` also ends the connection: the rest of a body is unread. */
  error(error: EngineError, close = false): void {
    const body = JSON.stringify({ code: error.code, message: error.message });
    this.#write(error.status, body, close, (res) => {
      res.writeHeader('Content-Type', 'application/json');
      const passes = error === ENGINE_ERRORS.unavailable || error === ENGINE_ERRORS.tooMany;
      if (passes) res.writeHeader('Retry-After', '1');
    });
  }

  /** Answers a preflight (Fetch standard, "CORS-preflight request"). */
  preflight(requestHeaders: string): void {
    this.#write('204 No Content', undefined, false, (res) => {
      if (this.#cors.allowOrigin === '') return;
      res.writeHeader('Access-Control-Allow-Methods', 'GET,POST,OPTIONS');
      if (requestHeaders !== '' && !hasControlCharacters(requestHeaders)) {
        res.writeHeader('Access-Control-Allow-Headers', requestHeaders);
      }
      res.writeHeader('Access-Control-Max-Age', '600');
    });
  }

  #write(
    status: string,
    body: string | Uint8Array | undefined,
    close: boolean,
    headers: (res: HttpResponse) => void,
  ): void {
    const res = this.#res;
    if (res === undefined) return;
    this.#res = undefined;
    res.cork(() => {
      res.writeStatus(status);
      headers(res);
      if (this.#cors.allowOrigin !== '') {
        res.writeHeader('Access-Control-Allow-Origin', this.#cors.allowOrigin);
      }
      if (this.#cors.credentials) res.writeHeader('Access-Control-Allow-Credentials', 'true');
      if (this.#cors.allowOrigin !== '*') res.writeHeader('Vary', 'Origin');
      res.writeHeader('Cache-Control', 'no-store');
      // uWebSockets.js writes this header only when the client did not ask for the close itself.
      if (this.#closing) res.writeHeader('Connection', 'close');
      if (body === undefined) res.endWithoutBody(undefined, this.#closing || close);
      else if (this.#head) res.endWithoutBody(Buffer.byteLength(body), this.#closing || close);
      else res.end(body, this.#closing || close);
    });
  }
}

function acceptsGzip(header: string): boolean {
  const gzip = /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=([0-9.]+)\s*)?(?:,|$)/i.exec(header);
  return gzip !== null && (gzip[1] === undefined || Number(gzip[1]) > 0);
}
