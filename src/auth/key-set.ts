/**
 * Keys fetched from a JSON Web Key Set.
 *
 * Guarantees: the set is fetched once for any number of tokens; again, and nobody waits for it, while it is
 * in use and no longer fresh; again before it is used when it is too old, or names no key for a token (but
 * then not more often than `cooldownMs`); and not at all for `retryPauseMs` after a failure: neither a
 * stranger's invented `kid`s nor an outage become load on its server. A key that the issuer has taken back
 * is found for `maxAgeMs` at most, and while the issuer gives no set, for `maxAgeAwayMs`. A set of no keys at all is
 * none: it would lock everybody out. Whatever is wrong with the set is `KeySetUnavailable`, so that it is not
 * blamed on the caller.
 *
 * jose's own remote set counts by the time of day: with the clock set back, a key that was taken
 * back would be honoured, and a new one refused, for as long as it was set back.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { reasonOf } from '../shared/reason.ts';

/** The algorithms that public keys verify. */
export const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'];

/** See bounds/auth.ts for why they are what they are. */
export interface KeySetLimits {
  /** The set is not asked for an unknown key more often than this. */
  cooldownMs: number;
  /** A set of this age that is asked for a key is fetched again, beside that. */
  refreshAgeMs: number;
  /** A set of this age is used only when no other can be had. */
  maxAgeMs: number;
  /** A set of this age is not used, whatever has become of its server. */
  maxAgeAwayMs: number;
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

interface FetchedSet {
  find: JWTVerifyGetKey;
  /** When it was asked for, by the monotonic clock: what it says may be as old as that. */
  askedAtMs: number;
}

/** Hears when the set can no longer be fetched, and why (null: it can again); never twice of the same. */
export type OnKeySet = (whyAway: string | null) => void;

/** Finds the key of a token; rejects with `KeySetUnavailable`, or jose's word on the token. */
export function createKeySet(
  url: string,
  limits: KeySetLimits,
  onTurn: OnKeySet = () => undefined,
): JWTVerifyGetKey {
  let current: FetchedSet | undefined;
  let fetching: Promise<FetchedSet> | undefined;
  /** The last fetch failed: whoever can do with the set there is does not wait for the next. */
  let isAway = false;
  // Of the monotonic clock.
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  async function fetchSet(): Promise<FetchedSet> {
    const askedAtMs = performance.now();
    if (askedAtMs < pausedUntilMs) throw new Error('failed a moment ago');
    try {
      current = { find: createLocalJWKSet(await fetchKeySet(url, limits)), askedAtMs };
      if (isAway) onTurn(null);
      isAway = false;
      return current;
    } catch (error) {
      if (!isAway) onTurn(whyNotFetched(error));
      isAway = true;
      pausedUntilMs = performance.now() + limits.retryPauseMs;
      throw error;
    }
  }

  /** Whoever asks while it is being done waits for the same. */
  const fetched = (): Promise<FetchedSet> => {
    fetching ??= fetchSet().finally(() => {
      fetching = undefined;
    });
    return fetching;
  };
  const refresh = (): void => {
    // That it failed is kept in `isAway`, and told to those who cannot do without it.
    fetched().catch(() => undefined);
  };

  /** The set to look into, as young as its server allows. */
  async function set(): Promise<FetchedSet> {
    const known = current;
    if (known === undefined) return await fetched();
    const ageMs = performance.now() - known.askedAtMs;
    if (ageMs >= limits.maxAgeAwayMs) return await fetched();
    if (ageMs < limits.refreshAgeMs) return known;
    if (ageMs < limits.maxAgeMs || isAway) {
      refresh();
      return known;
    }
    return await fetched().catch(() => known);
  }

  return async (header, token) => {
    try {
      const { find, askedAtMs } = await set();
      try {
        return await find(header, token);
      } catch (error) {
        const isUnknown = error instanceof errors.JWKSNoMatchingKey;
        if (!isUnknown || performance.now() - askedAtMs < limits.cooldownMs) throw error;
      }
      return await (await fetched()).find(header, token);
    } catch (error) {
      if (error instanceof errors.JOSEError && OF_THE_TOKEN.has(error.code)) throw error;
      throw new KeySetUnavailable(error);
    }
  };
}

/**
 * The set at `url` as it is now, with a key at least.
 *
 * @throws whatever is wrong with the address, the answer or the set in it
 */
export async function fetchKeySet(
  url: string,
  { timeoutMs }: Pick<KeySetLimits, 'timeoutMs'>,
): Promise<JSONWebKeySet> {
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
  if (set.keys.length === 0) throw new Error('has no keys');
  return set;
}

/** What `fetchKeySet` threw, in words: what went wrong on the way stands behind `fetch failed`. */
export function whyNotFetched(error: unknown): string {
  return reasonOf(error instanceof Error ? (error.cause ?? error) : error);
}

/** Whether a token could be verified with any key of the set. */
export async function isUsable({ keys }: JSONWebKeySet): Promise<boolean> {
  for (const key of keys) {
    for (const alg of ASYMMETRIC) {
      try {
        await createLocalJWKSet({ keys: [key] })({ alg });
        return true;
      } catch {
        // Of another kind, or no key at all.
      }
    }
  }
  return false;
}

/** What each key must have is jose's business. */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return (
    typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
  );
}
