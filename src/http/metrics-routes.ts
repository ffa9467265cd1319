/**
 * The figures of the node for Prometheus. They are on the one port there is and need no token: a
 * proxy in front must keep the path to itself.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export function metricsRoutes(metrics: MetricsText): FastifyPluginAsyncTypebox {
  return async (fastify) => {
    fastify.get(
      '/metrics',
      {
        schema: {
          summary: 'Figures of this node in the text format of Prometheus',
          tags: ['operations'],
          response: { 200: { content: { 'text/plain': { schema: Type.String() } } } },
        },
      },
      async (_request, reply) => {
        reply.type(metrics.contentType);
        return metrics.text();
      },
    );
  };
}
