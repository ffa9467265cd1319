/** Who calls: every route under /messages asks for the request's actor here. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import { ChatError } from '../chat/errors.ts';
import type { Actor, UserLimit } from '../chat/ports.ts';
import type { AddressFacts } from '../shared/address-facts.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; set before anything of the request but its headers is looked at. */
    caller: Actor | null;
  }
}

/** How often people may call. */
export interface CallLimits {
  /** Requests of one person; null: as many as they like. */
  requests: UserLimit | null;
}

/**
 * Authenticates and counts every request of `fastify` (a scope of its own routes) before its body is
 * read. Requests it refuses get unauthenticated, token_expired, rate_limited or unavailable.
 */
export function authenticateCallers(
  fastify: FastifyInstance,
  doorkeeper: Doorkeeper,
  { requests }: CallLimits = { requests: null },
): void {
  fastify.decorateRequest('caller', null);
  fastify.addHook('onRequest', async (request) => {
    const caller = await doorkeeper.identify(doorkeeper.addressOf(factsOf(request)), {
      token: bearerToken(request.headers.authorization),
      statedUserId: oneHeader(request.headers['x-user-id']),
      anonymousIsService: true,
    });
    if (caller.kind === 'user') await requests?.consume(caller.userId);
    request.caller = caller;
    if ('identified' in request.raw) request.raw.identified = true;
  });
}

/** The caller of a request that has been let in. */
export function callerOf(request: FastifyRequest): Actor {
  if (request.caller === null) throw new ChatError('unauthenticated', 'Nobody was authenticated.');
  return request.caller;
}

function factsOf({ ip, headers }: FastifyRequest): AddressFacts {
  return { address: ip, headers: { get: (name) => oneHeader(headers[name]) } };
}

/** The token in an Authorization field; undefined where there is none. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(header ?? '');
  return match?.[1];
}

function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
