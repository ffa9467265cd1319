/**
 * Reads the head of a request out of uWebSockets.js into what Node's `http` would show, and says
 * what must be refused.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { HttpRequest } from '../realtime/uws.ts';
import { RequestFraming } from '../shared/request-framing.ts';

export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly hasBody: boolean;
  /** Whether the body comes in chunks, without an announced length. */
  readonly isChunked: boolean;
  /** The announced length of the body in bytes, 0 when none was announced. */
  readonly contentLength: number;
  /** Whether the client said `Connection: close`. */
  readonly close: boolean;
  /** Why the request must not be served, undefined when it may. */
  readonly refusal: Refusal | undefined;
}

export interface Refusal {
  readonly status: 400 | 431;
  readonly message: string;
}

// The fields Node keeps the first of; the repetition of any other is joined with ', '.
const firstWins = new Set([
  'age',
  'authorization',
  'content-type',
  'etag',
  'expires',
  'from',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

const beyondAscii = /[^\0-\x7f]/;
const closeToken = /(?:^|[\s,])close(?:$|[\s,])/i;

// uWebSockets.js calls back once a field, within `forEach`. One function for all requests and the
// request at hand in variables: no closure per request.
let headers: IncomingHttpHeaders = {};
let headBytes = 0;
let framing = new RequestFraming();

function takeField(name: string, value: string): void {
  headBytes += name.length + value.length + 4; // ': ' and CRLF
  // The library decodes UTF-8, Node shows the bytes as Latin-1. Bytes that are not UTF-8
  // are lost, as are all beyond ASCII at the very end of a value.
  const text = beyondAscii.test(value) ? Buffer.from(value).toString('latin1') : value;
  if (name === 'set-cookie') {
    headers['set-cookie'] = [...(headers['set-cookie'] ?? []), text];
    return;
  }
  if (framing.take(name, text)) {
    headers[name] ??= text;
    return;
  }
  const seen = headers[name];
  // Not `undefined`: names like `constructor` find Object.prototype's.
  if (typeof seen !== 'string') headers[name] = text;
  else if (!firstWins.has(name)) headers[name] = seen + (name === 'cookie' ? '; ' : ', ') + text;
}

/**
 * Reads the request's head; `request` is not touched afterwards.
 *
 * @param maxHeaderBytes limit for request line and header fields together (431 above it).
 */
export function readHead(request: HttpRequest, maxHeaderBytes: number): RequestHead {
  const method = request.getCaseSensitiveMethod();
  const path = request.getUrl();
  const query = request.getQuery() as string | undefined; // The published type forgets undefined.
  const target = query === undefined ? path : `${path}?${query}`;
  const url = beyondAscii.test(target) ? Buffer.from(target).toString('latin1') : target;

  headers = {};
  headBytes = method.length + url.length + 12; // two blanks, HTTP/1.1, CRLF
  framing = new RequestFraming();
  request.forEach(takeField);

  const { contentLength: length, transferEncoding: coding } = framing;
  const connection = headers.connection;
  return {
    method,
    url,
    headers,
    isChunked: coding !== undefined,
    hasBody: coding !== undefined || (length !== undefined && length !== '0'),
    contentLength: length === undefined ? 0 : Number(length),
    close: connection !== undefined && closeToken.test(connection),
    refusal: findRefusal(maxHeaderBytes),
  };
}

function findRefusal(maxHeaderBytes: number): Refusal | undefined {
  if (headBytes > maxHeaderBytes) {
    return { status: 431, message: 'Request header fields are too large' };
  }
  const fault = framing.fault();
  return fault === undefined ? undefined : { status: 400, message: fault };
}
