/**
 * From what a caller presents to who it is. Both doors call `authenticate` with what they found
 * (a bearer token, a stated user id); nothing else makes an `Actor`.
 */
import { createHash } from 'node:crypto';
import { type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ChatError } from '../chat/errors.ts';
import type { Actor } from '../chat/ports.ts';
import { toCanonicalId } from '../shared/ids.ts';
import { type KeySetLimits, KeySetUnavailable, type OnKeySet } from './key-set.ts';
import { createKeys, type KeySettings } from './keys.ts';
import { createServiceTokens } from './service-tokens.ts';

export interface AuthenticatorSettings extends KeySettings {
  mode: 'jwt' | 'insecure';
  issuer: string | null;
  audience: string | null;
  /** How far the issuer's clock may be off, seconds. */
  clockToleranceSeconds: number;
  serviceTokens: readonly string[];
}

/** What a caller presented; either may be missing. */
export interface Credentials {
  /** A JWT or a service token, without the word Bearer. */
  token: string | undefined;
  /** The stated id: `query.userId` of a handshake, or the `x-user-id` header. Insecure mode only. */
  statedUserId: string | undefined;
  /** Whether a caller that states nothing is a service in insecure mode: REST is, a socket is not. */
  anonymousIsService: boolean;
}

export interface Authenticator {
  /**
   * Finds out who calls.
   *
   * @throws ChatError unauthenticated, token_expired, unavailable (the key set cannot be fetched)
   */
  authenticate(credentials: Credentials): Promise<Actor>;
  /** How many verified tokens are remembered now. */
  cachedTokens(): number;
}

export interface AuthenticatorLimits {
  /** A token longer than this is refused unread. */
  maxTokenLength: number;
  maxCachedTokens: number;
  /** A verified token is remembered for this long: added to the age of a key set that has lost its key. */
  cacheTtlMs: number;
  keySet: KeySetLimits;
}

/** The last moment a Date can hold; a later `exp` is as good as this one. */
const END_OF_TIME_MS = 8.64e15;

/**
 * The authenticator of the mode that `settings` name.
 *
 * @param onKeySet hears when the key set can no longer be fetched, and when it can again
 * @throws Error in one sentence when a key cannot be used
 */
export function createAuthenticator(
  settings: AuthenticatorSettings,
  limits: AuthenticatorLimits,
  onKeySet?: OnKeySet,
): Authenticator {
  if (settings.mode === 'insecure') {
    return { authenticate: async (given) => statedActor(given), cachedTokens: () => 0 };
  }
  const keys = createKeys(settings, limits.keySet, onKeySet);
  const isServiceToken = createServiceTokens(settings.serviceTokens);
  const options = {
    algorithms: keys.algorithms,
    requiredClaims: ['exp'],
    clockTolerance: settings.clockToleranceSeconds,
    ...(settings.issuer === null ? {} : { issuer: settings.issuer }),
    ...(settings.audience === null ? {} : { audience: settings.audience }),
  };
  // Kept by the digest of the whole token: two callers share an entry only if they share the token.
  const verified = new LRUCache<string, Actor>({
    max: limits.maxCachedTokens,
    ttl: limits.cacheTtlMs,
    // The clock is read at each look-up: that is cheaper than the timer that would spare it.
    ttlResolution: 0,
    // Monotonic: a wall clock that is set back must not keep a token for longer.
    perf: { now: () => performance.now() },
  });

  async function verify(token: string): Promise<Actor> {
    try {
      const { payload } = await jwtVerify(token, keys.find, options);
      return actorOf(payload, settings.clockToleranceSeconds);
    } catch (error) {
      if (error instanceof ChatError) throw error;
      if (error instanceof joseErrors.JWTExpired) throw expired();
      if (error instanceof KeySetUnavailable) {
        throw new ChatError('unavailable', 'The keys to verify tokens with cannot be fetched.');
      }
      // The reason stays here: it would help somebody who guesses.
      throw unauthenticated('The token is not valid.');
    }
  }

  return {
    async authenticate({ token }) {
      if (token === undefined || token === '') throw unauthenticated('A token is required.');
      if (token.length > limits.maxTokenLength) throw unauthenticated('The token is too long.');
      if (isServiceToken(token)) return { kind: 'service', expiresAtMs: null };
      const digest = createHash('sha256').update(token).digest('base64');
      let known = verified.get(digest);
      if (known === undefined) {
        known = await verify(token);
        verified.set(digest, known);
      }
      if (known.expiresAtMs !== null && known.expiresAtMs <= Date.now()) throw expired();
      return known;
    },
    cachedTokens: () => verified.size,
  };
}

function statedActor({ token, statedUserId, anonymousIsService }: Credentials): Actor {
  // An empty one is not a missing one: a client that lost its user must not become a service.
  if (statedUserId === undefined) {
    if (anonymousIsService) return { kind: 'service', expiresAtMs: null };
    throw unauthenticated(
      token === undefined
        ? 'query.userId is required.'
        : 'AUTH_MODE=insecure takes no tokens: a caller is who query.userId of the handshake says.',
    );
  }
  const userId = toCanonicalId(statedUserId);
  if (userId === null) throw unauthenticated('The stated user id is not a UUID.');
  return { kind: 'user', userId, expiresAtMs: null };
}

/**
 * Whom the verified claims name. The actor's end includes the clock tolerance: a connection lives as
 * long as its token would be accepted.
 */
function actorOf(payload: JWTPayload, clockToleranceSeconds: number): Actor {
  const endMs = ((payload.exp ?? 0) + clockToleranceSeconds) * 1000;
  const expiresAtMs = Math.min(endMs, END_OF_TIME_MS);
  // The word itself: a list with it in it, as some issuers write roles, is not a service.
  if (payload.role === 'service') return Object.freeze({ kind: 'service', expiresAtMs });
  const userId = toCanonicalId(payload.sub ?? payload.userId);
  if (userId === null) throw unauthenticated('The token names no user.');
  return Object.freeze({ kind: 'user', userId, expiresAtMs });
}

function unauthenticated(message: string): ChatError {
  return new ChatError('unauthenticated', message);
}

function expired(): ChatError {
  return new ChatError('token_expired', 'The token has expired.');
}
