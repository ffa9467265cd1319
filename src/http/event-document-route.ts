/** The AsyncAPI document beside the OpenAPI one. */
import type { FastifyPluginAsync } from 'fastify';
import { createEventDocument } from './event-document.ts';

/** `/docs/events`; the document is made once. */
export function eventDocumentRoute({ version }: { version: string }): FastifyPluginAsync {
  const document = createEventDocument(version);
  return async (fastify) => {
    fastify.get('/docs/events', { schema: { hide: true } }, async () => document);
  };
}
