/**
 * Keys fetched from a JSON Web Key Set.
 *
 * Guarantees: the set is fetched once for any number of tokens, again when it is too old or names no
 * key for a token (but then not more often than `cooldownMs`), and not at all for `retryPauseMs`
 * after a failure: neither a stranger's invented `kid`s nor an outage become load on its server.
 * Whatever is wrong with the set is `KeySetUnavailable`, so that it is not blamed on the caller.
 */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';

export interface KeySetLimits {
  /** The set is not asked for an unknown key more often than this. */
  cooldownMs: number;
  /** The set is kept no longer than this. */
  maxAgeMs: number;
  timeoutMs: number;
  /** After a failed fetch none is tried for this long. */
  retryPauseMs: number;
}

export const defaultKeySetLimits: KeySetLimits = Object.freeze({
  cooldownMs: 10_000,
  maxAgeMs: 600_000,
  timeoutMs: 3_000,
  retryPauseMs: 1_000,
});

/** The set can not be fetched or is not one; the token may be fine. */
export class KeySetUnavailable extends Error {
  constructor(cause: unknown) {
    super('The key set is not available.', { cause });
    this.name = 'KeySetUnavailable';
  }
}

/** Refusals that say something about the token, not about the set. */
const OF_THE_TOKEN: ReadonlySet<string> = new Set([
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
  errors.JOSENotSupported.code,
]);

/** Finds the key of a token; rejects with `KeySetUnavailable`, or jose's word on the token. */
export function createKeySet(url: string, limits: KeySetLimits): JWTVerifyGetKey {
  let pausedUntilMs = 0;
  const remote = createRemoteJWKSet(new URL(url), {
    cooldownDuration: limits.cooldownMs,
    cacheMaxAge: limits.maxAgeMs,
    timeoutDuration: limits.timeoutMs,
    [customFetch]: async (address, init) => {
      if (Date.now() < pausedUntilMs) throw new Error('failed a moment ago');
      try {
        const response = await fetch(address, init);
        if (response.status === 200) return response;
        await response.body?.cancel();
        throw new Error(`answered ${response.status}`);
      } catch (error) {
        pausedUntilMs = Date.now() + limits.retryPauseMs;
        throw error;
      }
    },
  });
  return async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      if (error instanceof errors.JOSEError && OF_THE_TOKEN.has(error.code)) throw error;
      throw new KeySetUnavailable(error);
    }
  };
}
