/**
 * The figures of the node for Prometheus: on the port of everything else, where a proxy in front keeps
 * the path to itself or a token is asked for, or on a port of their own.
 */
import { Type } from '@sinclair/typebox';
import { ChatError } from '../chat/errors.ts';
import type { TemplatedApp } from '../realtime/uws.ts';
import { answerWithoutBody } from '../shared/bodyless-answer.ts';
import { atBoundedRate, type Rate } from '../shared/bounded-rate.ts';
import { ascii, utf8 } from '../shared/native-text.ts';
import { bearerToken } from './caller.ts';
import { failures } from './envelope.ts';
import type { Routes } from './routes.ts';

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface MetricsDeps extends MetricsText {
  /** Whether this token may read them; left out: everybody may. */
  mayRead?: (token: string) => boolean;
}

const PLAIN = 'text/plain; charset=utf-8';
const CONTENT_TYPE = ascii('Content-Type');
const AUTHENTICATE = ascii('WWW-Authenticate');

/** Far more often than anybody scrapes; gathering them takes some milliseconds. */
const GATHERED: Rate = { most: 10, windowMs: 1_000 };

const isRefused = ({ mayRead }: MetricsDeps, authorization: string | undefined): boolean =>
  mayRead !== undefined && !mayRead(bearerToken(authorization) ?? '');

/** `/metrics` among the other routes of the port. */
export function metricsRoutes(metrics: MetricsDeps): Routes {
  const text = atBoundedRate(metrics.text, GATHERED);
  return async (fastify) => {
    fastify.get(
      '/metrics',
      {
        schema: {
          operationId: 'getMetrics',
          summary: 'Figures of this node in the text format of Prometheus',
          tags: ['operations'],
          // METRICS_TOKEN asks for one.
          security: [{}, { bearer: [] }],
          response: { 200: { content: { 'text/plain': { schema: Type.String() } } }, ...failures },
        },
      },
      async (request, reply) => {
        if (isRefused(metrics, request.headers.authorization)) {
          throw new ChatError('unauthenticated', 'The token for /metrics is required.');
        }
        reply.type(metrics.contentType);
        return text();
      },
    );
  };
}

/** `/metrics` and nothing else, on an app of its own. */
export function serveMetricsAlone(app: TemplatedApp, metrics: MetricsDeps): void {
  const text = atBoundedRate(metrics.text, GATHERED);
  app.any('/*', (res, req) => {
    const method = req.getMethod();
    let hasGone = false;
    res.onAborted(() => {
      hasGone = true;
    });
    const answer = (status: string, body: string, contentType = PLAIN): void => {
      if (hasGone) return;
      res.cork(() => {
        res.writeStatus(utf8(status)).writeHeader(CONTENT_TYPE, utf8(contentType));
        if (status.startsWith('401')) res.writeHeader(AUTHENTICATE, utf8('Bearer'));
        if (method === 'head') answerWithoutBody(res, Buffer.byteLength(body));
        else res.end(utf8(body));
      });
    };
    if ((method !== 'get' && method !== 'head') || req.getUrl() !== '/metrics') {
      answer('404 Not Found', 'Here is GET /metrics, and nothing else.\n');
    } else if (isRefused(metrics, req.getHeader('authorization'))) {
      answer('401 Unauthorized', 'The token for /metrics is required.\n');
    } else {
      text().then(
        (figures) => answer('200 OK', figures, metrics.contentType),
        () => answer('503 Service Unavailable', 'The figures cannot be gathered now.\n'),
      );
    }
  });
}
