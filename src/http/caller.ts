/** Who calls: every route under /messages asks for the request's actor here. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator } from '../auth/authenticator.ts';
import { ChatError } from '../chat/errors.ts';
import type { Actor, UserLimit } from '../chat/ports.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before anything of the request but its headers is looked at. */
    caller: Actor | null;
  }
}

/** Lets a call prove who it is, and turns away an address that keeps failing to. */
export interface CallGate {
  /** @throws ChatError rate_limited; else what `prove` throws */
  guard<T>(facts: CallFacts, prove: () => Promise<T>): Promise<T>;
}

/** null: none. */
export interface CallLimits {
  /** Of one person. */
  requests: UserLimit | null;
  gate: CallGate | null;
}

interface CallFacts {
  /** The peer's, which may be a proxy. */
  readonly address: string;
  readonly headers: { get(name: string): string | undefined };
}

/**
 * Authenticates and counts every request of `fastify` (a scope of its own routes) before its body is
 * read.
 */
export function authenticateCallers(
  fastify: FastifyInstance,
  authenticator: Authenticator,
  { requests, gate }: CallLimits = { requests: null, gate: null },
): void {
  fastify.decorateRequest('caller', null);
  fastify.addHook('onRequest', async (request) => {
    const prove = () =>
      authenticator.authenticate({
        token: bearerToken(request.headers.authorization),
        statedUserId: oneHeader(request.headers['x-user-id']),
        anonymousIsService: true,
      });
    const caller = await (gate === null ? prove() : gate.guard(factsOf(request), prove));
    if (caller.kind === 'user') await requests?.consume(caller.userId);
    request.caller = caller;
    if ('identified' in request.raw) request.raw.identified = true;
  });
}

export function callerOf(request: FastifyRequest): Actor {
  if (request.caller === null) throw new ChatError('unauthenticated', 'Nobody was authenticated.');
  return request.caller;
}

function factsOf({ ip, headers }: FastifyRequest): CallFacts {
  return { address: ip, headers: { get: (name) => oneHeader(headers[name]) } };
}

function bearerToken(header: string | undefined): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(header ?? '');
  return match?.[1];
}

function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
