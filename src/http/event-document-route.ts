/** The AsyncAPI document beside the OpenAPI one. */
import type { FastifyPluginAsync } from 'fastify';
import { createEventDocument } from './event-document.ts';

export function eventDocumentRoute({ version }: { version: string }): FastifyPluginAsync {
  const document = createEventDocument(version);
  return async (fastify) => {
    fastify.get('/docs/events', { schema: { hide: true } }, async () => document);
  };
}
