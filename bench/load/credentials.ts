/** Who a client says it is, in the query of its handshake. */
import { createHmac } from 'node:crypto';

const LASTS_SECONDS = 3_600;
const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const HEADER = encode({ alg: 'HS256' });

/**
 * A token for a person (RFC 7515, HS256) that lasts longer than a run.
 *
 * @param secret of the server; any other makes a wrong token
 */
export function tokenOf(userId: string, secret: string): string {
  const exp = Math.floor(Date.now() / 1000) + LASTS_SECONDS;
  const input = `${HEADER}.${encode({ sub: userId, exp })}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** @param secret left out: the server believes a stated id */
export const credentialOf = (userId: string, secret?: string): string =>
  secret === undefined ? `userId=${userId}` : `token=${tokenOf(userId, secret)}`;
