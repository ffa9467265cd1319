/**
 * The answer to one HTTP request of Engine.IO.
 *
 * Guarantees: a reply is written at most once and never after an abort; every answer, errors
 * included, carries the CORS headers; `Connection: close` is answered in kind; one without a body
 * leaves the connection ready for the next request.
 */
import { answerWithoutBody } from '../shared/bodyless-answer.ts';
import { type CorsDecision, type Fields, preflightFields } from '../shared/cors.ts';
import { ascii, utf8 } from '../shared/native-text.ts';
import { ENGINE_ERRORS, type EngineError } from './engine-http.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** An answer made elsewhere. Its texts are '' where it had none. */
export interface PassedAnswer {
  /** `200 OK` */
  readonly status: string;
  readonly contentType: string;
  readonly encoding: string;
  readonly body: string | Uint8Array;
}

const CACHE_CONTROL = ascii('Cache-Control');
const ENCODED = '\r\nVary: Accept-Encoding\r\nContent-Encoding: ';

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
    this.pass({ status: '200 OK', contentType, encoding: encoding ?? '', body }, false);
  }

  /** Gives the answer of somebody else. `close` as with `error`. */
  pass(answer: PassedAnswer, close: boolean): void {
    const { status, contentType, encoding, body } = answer;
    const type = contentType === '' ? '' : `\r\nContent-Type: ${contentType}`;
    this.#write(status, encoding === '' ? type : type + ENCODED + encoding, body, close);
  }

  /** Answers `{code, message}`. `close` also ends the connection: the rest of a body is unread. */
  error(error: EngineError, close = false): void {
    const passes = error === ENGINE_ERRORS.unavailable || error === ENGINE_ERRORS.tooMany;
    this.#write(
      error.status,
      `\r\nContent-Type: application/json${passes ? '\r\nRetry-After: 1' : ''}`,
      JSON.stringify({ code: error.code, message: error.message }),
      close,
    );
  }

  /** Closes the connection without an answer, as if the client had gone. Its body ends in this call. */
  cut(): void {
    this.#res?.close();
  }

  /** Answers a preflight (Fetch standard, "CORS-preflight request"). */
  preflight(requestHeaders: string): void {
    this.#write('204 No Content', linesOf(preflightFields(requestHeaders)), undefined, false);
  }

  /** @param fields `\r\nname: value` lines; one native call writes them all */
  #write(
    status: string,
    fields: string,
    body: string | Uint8Array | undefined,
    close: boolean,
  ): void {
    const res = this.#res;
    if (res === undefined) return;
    this.#res = undefined;
    // The library closes when the client asked for it, and says so only when it did not.
    const connection = this.#closing ? '\r\nConnection: close' : '';
    res.cork(() => {
      res.writeStatus(utf8(status));
      res.writeHeader(
        CACHE_CONTROL,
        utf8(`no-store${fields}${linesOf(this.#cors.fields)}${connection}`),
      );
      if (body === undefined) answerWithoutBody(res, undefined);
      else if (this.#head) answerWithoutBody(res, Buffer.byteLength(body), close);
      else res.end(typeof body === 'string' ? utf8(body) : body, close);
    });
  }
}

/** Fields as `\r\nname: value` lines. */
function linesOf(fields: Fields): string {
  let lines = '';
  for (const name in fields) lines += `\r\n${name}: ${fields[name]}`;
  return lines;
}

function acceptsGzip(header: string): boolean {
  const gzip = /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=([0-9.]+)\s*)?(?:,|$)/i.exec(header);
  return gzip !== null && (gzip[1] === undefined || Number(gzip[1]) > 0);
}
