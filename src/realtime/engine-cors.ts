/** Which pages may talk to this server from a browser. */
import { isOfHost, originOf } from '../shared/origin.ts';

/** How an origin is treated. */
export interface CorsDecision {
  readonly allowed: boolean;
  /** The fields that say so, as `\r\nname: value` lines. */
  readonly fields: string;
}

/** What an Origin header is allowed, on a request to this Host. */
export type Cors = (origin: string, host: string) => CorsDecision;

const VARIES = '\r\nVary: Origin';

/** Anybody may read the answer. */
export const ANYONE: CorsDecision = {
  allowed: true,
  fields: '\r\nAccess-Control-Allow-Origin: *',
};
/** Not answered, and no page may read why. */
export const STRANGER: CorsDecision = { allowed: false, fields: VARIES };
const OWN: CorsDecision = { allowed: true, fields: VARIES };

/**
 * Decides by `corsOrigins`. Requests without an Origin header do not come from a page; a page of
 * this very host is no stranger (browsers send Origin on its WebSockets and POSTs too).
 */
export function createCors(corsOrigins: '*' | readonly string[]): Cors {
  if (corsOrigins === '*') return () => ANYONE;
  const origins = new Set(corsOrigins.map(originOf));
  return (origin, host) => {
    if (origin === '' || isOfHost(origin, host)) return OWN;
    const asked = originOf(origin);
    if (asked === undefined || !origins.has(asked)) return STRANGER;
    return {
      allowed: true,
      // As it was asked: browsers compare character by character.
      fields: `\r\nAccess-Control-Allow-Origin: ${origin}\r\nAccess-Control-Allow-Credentials: true${VARIES}`,
    };
  };
}
