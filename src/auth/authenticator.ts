/**
 * From what a caller presents to who it is. Both doors call `authenticate` with what they found
 * (a bearer token, a stated user id); nothing else makes an `Actor`.
 */
import { createHash } from 'node:crypto';
import { type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ChatError } from '../chat/errors.ts';
import type { Actor } from '../chat/ports.ts';
import { isUuid } from '../shared/ids.ts';
import { createKeys, type KeySettings } from './keys.ts';
import { createServiceTokens } from './service-tokens.ts';

export interface AuthenticatorConfig extends KeySettings {
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
  /** @throws ChatError unauthenticated, token_expired, unavailable (the key set can not be fetched) */
  authenticate(credentials: Credentials): Promise<Actor>;
}

/** A token longer than this is refused unread. */
const MAX_TOKEN_LENGTH = 8_192;
const MAX_CACHED_TOKENS = 10_000;
/** A key that was taken back is honoured no longer than this. */
const CACHE_TTL_MS = 60_000;

export function createAuthenticator(config: AuthenticatorConfig): Authenticator {
  if (config.mode === 'insecure') return { authenticate: async (given) => statedActor(given) };
  const keys = createKeys(config);
  const isServiceToken = createServiceTokens(config.serviceTokens);
  const options = {
    algorithms: keys.algorithms,
    requiredClaims: ['exp'],
    clockTolerance: config.clockToleranceSeconds,
    ...(config.issuer === null ? {} : { issuer: config.issuer }),
    ...(config.audience === null ? {} : { audience: config.audience }),
  };
  // By the digest of the whole token: two callers share an entry only if they share the token.
  const verified = new LRUCache<string, { actor: Actor; expMs: number }>({
    max: MAX_CACHED_TOKENS,
    ttl: CACHE_TTL_MS,
  });

  async function verify(token: string): Promise<{ actor: Actor; expMs: number }> {
    try {
      const { payload } = await jwtVerify(token, keys.find, options);
      return actorOf(payload);
    } catch (error) {
      if (error instanceof ChatError) throw error;
      if (error instanceof joseErrors.JWTExpired) throw expired();
      if (isKeySetAway(error)) {
        throw new ChatError('unavailable', 'The keys to verify tokens with can not be fetched.');
      }
      // The reason stays here: it would help somebody who guesses.
      throw unauthenticated('The token is not valid.');
    }
  }

  return {
    async authenticate({ token }) {
      if (token === undefined || token === '') throw unauthenticated('A token is required.');
      if (token.length > MAX_TOKEN_LENGTH) throw unauthenticated('The token is too long.');
      if (isServiceToken(token)) return { kind: 'service', expiresAtMs: null };
      const digest = createHash('sha256').update(token).digest('base64');
      let known = verified.get(digest);
      if (known === undefined) {
        known = await verify(token);
        verified.set(digest, known);
      }
      if (known.expMs + config.clockToleranceSeconds * 1000 <= Date.now()) throw expired();
      return known.actor;
    },
  };
}

function statedActor({ statedUserId, anonymousIsService }: Credentials): Actor {
  if (statedUserId === undefined || statedUserId === '') {
    if (anonymousIsService) return { kind: 'service', expiresAtMs: null };
    throw unauthenticated('query.userId is required.');
  }
  if (!isUuid(statedUserId)) throw unauthenticated('The stated user id is not a UUID.');
  return { kind: 'user', userId: statedUserId.toLowerCase(), expiresAtMs: null };
}

function actorOf(payload: JWTPayload): { actor: Actor; expMs: number } {
  const expMs = (payload.exp ?? 0) * 1000;
  if (payload.role === 'service') {
    return { actor: Object.freeze({ kind: 'service', expiresAtMs: expMs }), expMs };
  }
  const userId = payload.sub ?? payload.userId;
  if (!isUuid(userId)) throw unauthenticated('The token names no user.');
  const actor = { kind: 'user' as const, userId: userId.toLowerCase(), expiresAtMs: expMs };
  return { actor: Object.freeze(actor), expMs };
}

/** The key set's server is away or answers nonsense: the caller's token may be fine. */
function isKeySetAway(error: unknown): boolean {
  if (error instanceof joseErrors.JWKSTimeout || error instanceof joseErrors.JWKSInvalid) {
    return true;
  }
  // jose's own word for an answer other than 200; a failed fetch is a TypeError.
  const isPlain = error instanceof joseErrors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
  return isPlain || (error instanceof TypeError && error.message === 'fetch failed');
}

function unauthenticated(message: string): ChatError {
  return new ChatError('unauthenticated', message);
}

function expired(): ChatError {
  return new ChatError('token_expired', 'The token has expired.');
}
