/** Which pages may talk to this server from a browser. */
import { createOriginRule, isOfHost, type PageOrigins } from '../shared/origin.ts';

/** How an origin is treated. */
export interface CorsDecision {
  readonly allowed: boolean;
  /** The fields that say so, as `\r\nname: value` lines. */
  readonly fields: string;
}

/** What an Origin header is allowed, on a request to this Host. */
export type Cors = (origin: string, host: string) => CorsDecision;

const VARIES = '\r\nVary: Origin';

/** The decision where anybody may read the answer. */
const ANYONE: CorsDecision = {
  allowed: true,
  fields: '\r\nAccess-Control-Allow-Origin: *',
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
      // As it was asked: browsers compare character by character.
      fields: `\r\nAccess-Control-Allow-Origin: ${origin}\r\nAccess-Control-Allow-Credentials: true${VARIES}`,
    };
  };
}
