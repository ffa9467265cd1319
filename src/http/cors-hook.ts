/** CORS of the REST door: what `shared/cors` decides, on every answer, and the answers to preflights. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Cors, preflightFields } from '../shared/cors.ts';

/** For Fastify's `onRequest`, before anybody is asked who they are: preflights carry no proof of it. */
export function corsHook(cors: Cors) {
  return async ({ method, headers }: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { origin = '', host = '' } = headers;
    const { allowed, fields } = cors(origin, host);
    reply.headers(fields);
    const isPreflight =
      method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
    if (!isPreflight || !allowed || origin === '') return undefined;
    reply.headers(preflightFields(headers['access-control-request-headers'] ?? ''));
    return reply.code(204).send();
  };
}
