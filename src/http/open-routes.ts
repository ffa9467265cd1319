/**
 * What anybody may ask for without saying who they are: probes, figures, the documentation, the page.
 * All of it is let in by turns, and what costs something to find out is found out so often at most, so
 * that nobody who hammers these holds up those who chat.
 */
import helmet from '@fastify/helmet';
import swaggerUi from '@fastify/swagger-ui';
import { FILES_PACE, MAX_WAITING_TURNS, PROBES_PACE } from '../bounds/http.ts';
import { eventDocumentRoute } from './event-document-route.ts';
import { type HealthDeps, healthRoutes } from './health-routes.ts';
import { type MetricsDeps, metricsRoutes } from './metrics-routes.ts';
import { openToAll } from './openapi.ts';
import { type PageDeps, pageRoutes, strictTransport } from './page-routes.ts';
import type { Routes } from './routes.ts';
import { createTurns } from './turns.ts';

export interface OpenRoutesDeps extends HealthDeps {
  /** The figures to show; left out: there is no `/metrics`. */
  metrics?: MetricsDeps;
  /** The page to serve; left out: there is no chat page at `/`. */
  page?: PageDeps;
  /** Whether the process speaks TLS itself; left out: it does not. */
  tls?: boolean;
  turns: OpenTurns;
}

export type OpenTurns = ReturnType<typeof createOpenTurns>;

/** The lines in which callers who prove nothing wait. Those for what is not found stand with probes. */
export function createOpenTurns() {
  const probes = createTurns({ maxWaiting: MAX_WAITING_TURNS, pace: PROBES_PACE });
  const files = createTurns({ maxWaiting: MAX_WAITING_TURNS, pace: FILES_PACE });
  return {
    probes,
    files,
    close(): void {
      probes.close();
      files.close();
    },
  };
}

/** The routes that anybody may ask for, without proof of who they are. */
export function openRoutes(deps: OpenRoutesDeps): Routes {
  const { turns, metrics, page, tls = false } = deps;
  return async (app) => {
    app.addHook('onRoute', openToAll);
    await app.register(async (scope) => {
      scope.addHook('onRequest', turns.probes.take);
      await scope.register(healthRoutes(deps));
      if (metrics !== undefined) await scope.register(metricsRoutes(metrics));
    });
    await app.register(async (scope) => {
      scope.addHook('onRequest', turns.files.take);
      await scope.register(async (documents) => {
        await documents.register(helmet, { strictTransportSecurity: strictTransport(tls) });
        await documents.register(swaggerUi, {
          routePrefix: '/docs',
          staticCSP: true,
          // An upgraded request finds nobody on a plain port, and Swagger UI styles by attribute.
          transformStaticCSP: (policy) =>
            policy
              .replace(/\s*upgrade-insecure-requests;?/, '')
              .replace("style-src 'self' https:", "style-src 'self' https: 'unsafe-inline'"),
        });
      });
      await scope.register(eventDocumentRoute(deps));
      if (page !== undefined) await scope.register(pageRoutes({ ...page, tls }));
    });
  };
}
