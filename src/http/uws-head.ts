/**
 * Reads the head of a request out of uWebSockets.js into what Node's `http` would show, and says
 * what must be refused. Needed because the Node 20 build checks less than Node's parser does: a
 * repeated Host or Content-Length and any Transfer-Encoding pass it, which is how requests are
 * smuggled past a proxy.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { HttpRequest } from '../realtime/uws.ts';

export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly hasBody: boolean;
  /** The body has no announced length. */
  readonly isChunked: boolean;
  /** The announced length of the body in bytes, 0 when none was announced. */
  readonly contentLength: number;
  /** The client said `Connection: close`. */
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
// Two of these and two readers may see two requests.
const onlyOnce = new Set(['host', 'content-length', 'transfer-encoding']);

const beyondAscii = /[^\0-\x7f]/;
const digits = /^\d{1,15}$/;
const closeToken = /(?:^|[\s,])close(?:$|[\s,])/i;

// uWebSockets.js calls back once a field, within `forEach`. One function for all requests and the
// request at hand in variables: no closure per request.
let headers: IncomingHttpHeaders = {};
let headBytes = 0;
let repeated: string | undefined;

function takeField(name: string, value: string): void {
  headBytes += name.length + value.length + 4; // ': ' and CRLF
  // The library decodes UTF-8, Node shows the bytes as Latin-1. Bytes that are not UTF-8
  // are lost, as are all beyond ASCII at the very end of a value.
  const text = beyondAscii.test(value) ? Buffer.from(value).toString('latin1') : value;
  if (name === 'set-cookie') {
    headers['set-cookie'] = [...(headers['set-cookie'] ?? []), text];
    return;
  }
  const seen = headers[name];
  // Not `undefined`: names like `constructor` find Object.prototype's.
  if (typeof seen !== 'string') headers[name] = text;
  else if (onlyOnce.has(name)) repeated = name;
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
  repeated = undefined;
  request.forEach(takeField);

  const length = headers['content-length'];
  const coding = headers['transfer-encoding'];
  const connection = headers.connection;
  return {
    method,
    url,
    headers,
    isChunked: coding !== undefined,
    hasBody: coding !== undefined || (length !== undefined && length !== '0'),
    contentLength: length === undefined ? 0 : Number(length),
    close: connection !== undefined && closeToken.test(connection),
    refusal: findRefusal(length, coding, maxHeaderBytes),
  };
}

function findRefusal(
  length: string | undefined,
  coding: string | undefined,
  maxHeaderBytes: number,
): Refusal | undefined {
  if (headBytes > maxHeaderBytes) {
    return { status: 431, message: 'Request header fields are too large' };
  }
  if (repeated !== undefined) return { status: 400, message: `Repeated header ${repeated}` };
  if (typeof headers.host !== 'string') return { status: 400, message: 'Missing header host' };
  if (length !== undefined && !digits.test(length)) {
    return { status: 400, message: 'Malformed header content-length' };
  }
  if (coding === undefined) return undefined;
  // uWebSockets.js reads a body with any transfer coding as chunked.
  if (coding.toLowerCase() !== 'chunked' || length !== undefined) {
    return { status: 400, message: 'Unsupported header transfer-encoding' };
  }
  return undefined;
}
