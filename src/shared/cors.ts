/**
 * Which pages may read what this server answers, and what they may ask with: the same for REST and for
 * Socket.IO (Fetch standard, "CORS protocol").
 */
import { PREFLIGHT_MAX_AGE_S } from '../bounds/shared.ts';
import { createOriginRule, isOfHost, type PageOrigins } from './origin.ts';

/** Fields of an answer, by name. */
export type Fields = Readonly<Record<string, string>>;

/** How an origin is treated. */
export interface CorsDecision {
  readonly allowed: boolean;
  /** The fields that say so. */
  readonly fields: Fields;
}

/** What an Origin header is allowed, on a request to this Host. */
export type Cors = (origin: string, host: string) => CorsDecision;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** What is told where a preflight does not say what it wants to send: proof of identity, names for logs, traces. */
const HEADERS = [
  'authorization',
  'content-type',
  'x-user-id',
  'x-request-id',
  'traceparent',
  'tracestate',
  'baggage',
  'sentry-trace',
];

const READABLE = { 'access-control-expose-headers': 'Retry-After, x-request-id' };
const VARIES = { vary: 'Origin' };

/** The decision where anybody may read the answer. */
const ANYONE: CorsDecision = {
  allowed: true,
  fields: { 'access-control-allow-origin': '*', ...READABLE },
};
/** The decision for a page that is not answered, and may not read why. */
export const STRANGER: CorsDecision = { allowed: false, fields: VARIES };
const OWN: CorsDecision = { allowed: true, fields: VARIES };

/**
 * Decides by `corsOrigins`. Requests without an Origin header do not come from a page; a page of
 * this very host is no stranger (browsers send Origin on its WebSockets and POSTs too).
 *
 * @param trustsHost whether this server may be called by that name; left out: by any
 */
export function createCors(
  corsOrigins: PageOrigins,
  trustsHost: (host: string) => boolean = () => true,
): Cors {
  if (corsOrigins === '*') return () => ANYONE;
  const isKnown = createOriginRule(corsOrigins);
  return (origin, host) => {
    if (!trustsHost(host)) return STRANGER;
    if (origin === '' || isOfHost(origin, host)) return OWN;
    if (!isKnown(origin)) return STRANGER;
    return {
      allowed: true,
      fields: {
        // As it was asked: browsers compare character by character.
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        ...READABLE,
        ...VARIES,
      },
    };
  };
}

/**
 * What a preflight is answered with besides: every method used here, and the headers that were asked
 * for. None of them is refused: tools for traces send more than anybody could list, and what a header
 * may do is judged where it is read.
 *
 * @param asked the field Access-Control-Request-Headers; '' where there was none
 */
export function preflightFields(asked: string): Fields {
  const isList = /^[\w!#$%&'*+.^`|~, \t-]+$/.test(asked);
  return {
    'access-control-allow-methods': METHODS.join(','),
    'access-control-allow-headers': isList ? asked : HEADERS.join(','),
    'access-control-max-age': String(PREFLIGHT_MAX_AGE_S),
  };
}
