/** Static tokens of trusted backends, compared in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether a presented token is one of `tokens`; takes the same time whichever it is, or none. */
export function createServiceTokens(tokens: readonly string[]): (presented: string) => boolean {
  const known = tokens.map(digest);
  return (presented) => {
    const given = digest(presented);
    let found = false;
    // No early exit: how far the loop got would tell which token was tried.
    for (const token of known) found = timingSafeEqual(given, token) || found;
    return found;
  };
}
