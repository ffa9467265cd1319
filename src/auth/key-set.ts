/**
 * Keys fetched from a JSON Web Key Set.
 *
 * Guarantees: the set is fetched once for any number of tokens, again when it is too old or names no
 * key for a token (but then not more often than `cooldownMs`), and not at all for `retryPauseMs`
 * after a failure: neither a stranger's invented `kid`s nor an outage become load on its server.
 * Whatever is wrong with the set is `KeySetUnavailable`, so that it is not blamed on the caller.
 *
 * jose's own remote set counts by the time of day: with the clock set back, a key that was taken
 * back would be honoured, and a new one refused, for as long as it was set back.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

export interface KeySetLimits {
  /** The set is not asked for an unknown key more often than this. */
  cooldownMs: number;
  /** The set is kept no longer than this. */
  maxAgeMs: number;
  timeoutMs: number;
  /** How long after a failed fetch none is tried. */
  retryPauseMs: number;
}

/** The set cannot be fetched or is not one; the token may be fine. */
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
  let keys: JWTVerifyGetKey | undefined;
  let fetching: Promise<JWTVerifyGetKey> | undefined;
  // Times of the monotonic clock.
  let fetchedAtMs = 0;
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  async function fetchKeys(): Promise<JWTVerifyGetKey> {
    if (performance.now() < pausedUntilMs) throw new Error('failed a moment ago');
    try {
      const fetched = await fetchSet(url, limits.timeoutMs);
      fetchedAtMs = performance.now();
      keys = fetched;
      return fetched;
    } catch (error) {
      pausedUntilMs = performance.now() + limits.retryPauseMs;
      throw error;
    }
  }

  /** Whoever asks while it is being done waits for the same. */
  const fetched = (): Promise<JWTVerifyGetKey> => {
    fetching ??= fetchKeys().finally(() => {
      fetching = undefined;
    });
    return fetching;
  };
  const isYoungerThan = (ageMs: number): boolean => performance.now() - fetchedAtMs < ageMs;

  return async (header, token) => {
    try {
      const find = keys !== undefined && isYoungerThan(limits.maxAgeMs) ? keys : await fetched();
      try {
        return await find(header, token);
      } catch (error) {
        const isUnknown = error instanceof errors.JWKSNoMatchingKey;
        if (!isUnknown || isYoungerThan(limits.cooldownMs)) throw error;
      }
      return await (await fetched())(header, token);
    } catch (error) {
      if (error instanceof errors.JOSEError && OF_THE_TOKEN.has(error.code)) throw error;
      throw new KeySetUnavailable(error);
    }
  };
}

/** @throws whatever is wrong with the address, the answer or the set in it */
async function fetchSet(url: string, timeoutMs: number): Promise<JWTVerifyGetKey> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`answered ${response.status}`);
  }
  const set: unknown = await response.json();
  if (!isKeySet(set)) throw new Error('is no key set');
  return createLocalJWKSet(set);
}

/** What each key must have is jose's business. */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return (
    typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
  );
}
