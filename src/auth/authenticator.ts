/**
 * From what a caller presents to who it is. Both doors call `authenticate` with what they found
 * (a bearer token, a stated user id); nothing else makes an `Actor`.
 */
import { type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { ChatError } from '../chat/errors.ts';
import type { Actor } from '../chat/ports.ts';
import { isUuid } from '../shared/ids.ts';

export interface AuthenticatorConfig {
  mode: 'jwt' | 'insecure';
  jwtSecret: string | null;
  issuer: string | null;
  audience: string | null;
}

/** What a caller presented; either may be missing. */
export interface Credentials {
  /** A JWT, without the word Bearer. */
  token: string | undefined;
  /** The stated id: `query.userId` of a handshake, or the `x-user-id` header. Insecure mode only. */
  statedUserId: string | undefined;
  /** Whether a caller that states nothing is a service in insecure mode: REST is, a socket is not. */
  anonymousIsService: boolean;
}

export interface Authenticator {
  /** @throws ChatError unauthenticated, token_expired */
  authenticate(credentials: Credentials): Promise<Actor>;
}

/** A token longer than this is refused unread. */
const MAX_TOKEN_LENGTH = 16_384;

export function createAuthenticator(config: AuthenticatorConfig): Authenticator {
  if (config.mode === 'insecure') return { authenticate: async (c) => statedActor(c) };
  if (config.jwtSecret === null) throw new Error('AUTH_MODE=jwt needs a key');
  const key = new TextEncoder().encode(config.jwtSecret);
  const options = {
    algorithms: ['HS256'],
    requiredClaims: ['exp'],
    ...(config.issuer === null ? {} : { issuer: config.issuer }),
    ...(config.audience === null ? {} : { audience: config.audience }),
  };
  return {
    async authenticate({ token }) {
      if (token === undefined || token === '') throw unauthenticated('A token is required.');
      if (token.length > MAX_TOKEN_LENGTH) throw unauthenticated('The token is too long.');
      try {
        const { payload } = await jwtVerify(token, key, options);
        return actorOf(payload);
      } catch (error) {
        if (error instanceof ChatError) throw error;
        if (error instanceof joseErrors.JWTExpired) {
          throw new ChatError('token_expired', 'The token has expired.');
        }
        // The reason stays here: it would help somebody who guesses.
        throw unauthenticated('The token is not valid.');
      }
    },
  };
}

function statedActor({ statedUserId, anonymousIsService }: Credentials): Actor {
  if (statedUserId === undefined || statedUserId === '') {
    if (anonymousIsService) return { kind: 'service' };
    throw unauthenticated('query.userId is required.');
  }
  if (!isUuid(statedUserId)) throw unauthenticated('The stated user id is not a UUID.');
  return { kind: 'user', userId: statedUserId.toLowerCase(), expiresAtMs: null };
}

function actorOf(payload: JWTPayload): Actor {
  if (payload.role === 'service') return { kind: 'service' };
  const userId = payload.sub ?? payload.userId;
  if (!isUuid(userId)) throw unauthenticated('The token names no user.');
  return { kind: 'user', userId: userId.toLowerCase(), expiresAtMs: (payload.exp ?? 0) * 1000 };
}

function unauthenticated(message: string): ChatError {
  return new ChatError('unauthenticated', message);
}
