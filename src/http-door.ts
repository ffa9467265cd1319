/** The REST door of this process: the HTTP app, the bridge that serves it on the one port, its figures. */
import { fileURLToPath } from 'node:url';
import { createServiceTokens } from './auth/service-tokens.ts';
import { BODY_TIMEOUT_MS } from './bounds/http.ts';
import type { Config } from './config.ts';
import { refusalBody } from './http/errors.ts';
import { createHttpApp, type HttpAppDeps } from './http/http-app.ts';
import type { MetricsDeps } from './http/metrics-routes.ts';
import { createPageGuard } from './http/page-guard.ts';
import type { PageDeps } from './http/page-routes.ts';
import { createUwsBridge, type UwsBridge } from './http/uws-bridge.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { TemplatedApp } from './realtime/uws.ts';
import type { MemoryBudget } from './shared/memory-budget.ts';
import type { Database } from './store/database.ts';
import { createDemoPeople } from './store/demo-people.ts';
import type { WorkerSeat } from './workers/worker-seat.ts';

type Passed = 'chat' | 'doorkeeper' | 'version' | 'draining' | 'readiness' | 'log';

export interface HttpDoorDeps extends Pick<HttpAppDeps, Passed> {
  /** The app that owns the port. */
  uws: TemplatedApp;
  config: Config;
  limits: NonNullable<HttpAppDeps['limits']>;
  /** Whether this server may be called by that name. */
  trustsHost(host: string): boolean;
  memory: MemoryBudget;
  metrics: Metrics;
  database: Database;
  /** The database is the embedded one: people may be made up in it. */
  ownDatabase: boolean;
  /** This process's seat among several on the port; left out: it is the only one. */
  worker?: WorkerSeat;
}

export interface HttpDoor {
  /** What `/metrics` says, also where it has a port of its own. */
  readonly figures: MetricsDeps;
  /** Resolves when no request is being worked on. */
  idle: UwsBridge['idle'];
  close(): Promise<void>;
}

/** Resolves when all routes are there; what the port serves is up to its owner. */
export async function createHttpDoor(deps: HttpDoorDeps): Promise<HttpDoor> {
  const { config, metrics, memory, worker } = deps;
  const { corsOrigins, maxPayloadBytes } = config;
  const figures = figuresOf(deps);
  const bridge = createUwsBridge({
    app: deps.uws,
    maxBodyBytes: maxPayloadBytes,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    memory,
    refusalBody,
  });
  const http = await createHttpApp({
    chat: deps.chat,
    doorkeeper: deps.doorkeeper,
    corsOrigins,
    ...(config.guardsPages
      ? { pageGuard: createPageGuard({ corsOrigins, trustsHost: deps.trustsHost }) }
      : {}),
    maxPayloadBytes,
    limits: deps.limits,
    version: deps.version,
    draining: deps.draining,
    readiness: deps.readiness,
    ...(config.metrics.port === null ? { metrics: figures } : {}),
    tls: config.tls !== null,
    requestTimes: metrics.requests,
    ...(worker === undefined ? {} : { worker: worker.order.worker }),
    log: deps.log,
    ...(config.demoPage ? { page: pageDeps(deps) } : {}),
    serverFactory: bridge.serverFactory,
  });
  await http.ready();
  return { figures, idle: bridge.idle, close: () => http.close() };
}

/** The figures of this process, or of all that share the port. */
function figuresOf({ config, metrics, worker }: HttpDoorDeps): MetricsDeps {
  const { contentType, text } = worker?.share(metrics) ?? metrics;
  const { token } = config.metrics;
  return {
    contentType,
    text,
    ...(token === null ? {} : { mayRead: createServiceTokens([token]) }),
  };
}

/** Whoever is believed without proof may also be made up, but only in a database of our own. */
function pageDeps({ config, ownDatabase, database }: HttpDoorDeps): PageDeps {
  const mayMakePeople = ownDatabase && config.auth.mode === 'insecure';
  return {
    directory: fileURLToPath(new URL('../dist/web', import.meta.url)),
    authMode: config.auth.mode,
    maxContentLength: config.content.maxContentLength,
    people: mayMakePeople ? createDemoPeople(database) : null,
  };
}
