/**
 * Keeps other people's web pages away from a service that believes whoever calls: everybody's browser
 * reaches the machine it runs on, and a page may send there what it likes, though it cannot read the
 * answer. Sockets are kept by the same rules in shared/cors.
 */
import type { FastifyRequest } from 'fastify';
import { ChatError } from '../chat/errors.ts';
import { createOriginRule, isOfHost, type PageOrigins } from '../shared/origin.ts';

export interface PageGuardDeps {
  corsOrigins: PageOrigins;
  /** Whether the service may be called by that name. */
  trustsHost(host: string): boolean;
}

/**
 * Looks at one request.
 *
 * @throws ChatError foreign_page
 */
export type PageGuard = (request: Pick<FastifyRequest, 'method' | 'headers'>) => void;

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Returns the function that is called with every request before its body is read. */
export function createPageGuard({ corsOrigins, trustsHost }: PageGuardDeps): PageGuard {
  const isKnown = createOriginRule(corsOrigins);
  return ({ method, headers }) => {
    const { host = '', origin } = headers;
    if (!trustsHost(host)) {
      throw new ChatError(
        'foreign_page',
        'AUTH_MODE=insecure on this machine alone: call it localhost, or name who may call in CORS_ORIGINS.',
      );
    }
    if (READING.has(method) || origin === undefined) return;
    if (isOfHost(origin, host) || isKnown(origin)) return;
    throw new ChatError(
      'foreign_page',
      'AUTH_MODE=insecure: pages of other origins are refused; name them in CORS_ORIGINS.',
    );
  };
}
