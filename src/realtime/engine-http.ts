/** What the Engine.IO layer reads from an HTTP request, and with which errors it answers one. */

import { ipText } from '../shared/ip-text.ts';
import { RequestFraming } from '../shared/request-framing.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** Request headers that survive the request, for `Handshake.headers`. */
const KEPT_HEADERS: ReadonlySet<string> = new Set([
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

/**
 * The decoded query, undefined when it has more than `maxFields`: each takes some 100 bytes, however
 * short. Of a repeated key the last one counts. Odd escapes are kept as they are.
 */
export function parseQuery(query: string, maxFields: number): Map<string, string> | undefined {
  let fields = 1;
  for (let at = query.indexOf('&'); at !== -1; at = query.indexOf('&', at + 1)) {
    if (++fields > maxFields) return undefined;
  }
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

/** Whether all who read the request agree whom it is for and where it ends. */
export function isWellFramed(req: HttpRequest): boolean {
  return framingOf(req).fault() === undefined;
}

/** The same of a request after which the connection speaks WebSocket. */
export function isWellFramedUpgrade(req: HttpRequest): boolean {
  const framing = framingOf(req);
  return framing.fault() === undefined && !framing.hasBody;
}

function framingOf(req: HttpRequest): RequestFraming {
  const framing = new RequestFraming();
  req.forEach((name, value) => void framing.take(name, value));
  return framing;
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
