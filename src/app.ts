/**
 * The composition root: the only place that knows every part. Reads top to bottom as the service is
 * built: storage, bus, realtime, rules, doors; and `stop` takes it down in the opposite order.
 */
import { fileURLToPath } from 'node:url';
import { createAuthenticator } from './auth/authenticator.ts';
import { createDoorkeeper } from './auth/doorkeeper.ts';
import { createServiceTokens } from './auth/service-tokens.ts';
import type { Bus } from './bus/bus.ts';
import { createMemoryBus } from './bus/memory-bus.ts';
import { createRedisBus } from './bus/redis-bus.ts';
import { createChat } from './chat/chat.ts';
import { systemClock } from './chat/system-clock.ts';
import type { Config } from './config.ts';
import { createDelivery } from './delivery/delivery.ts';
import { refusalBody } from './http/errors.ts';
import { createHttpApp } from './http/http-app.ts';
import type { MetricsDeps } from './http/metrics-routes.ts';
import { createPageGuard } from './http/page-guard.ts';
import type { PageDeps } from './http/page-routes.ts';
import { createReadiness } from './http/readiness.ts';
import { createUwsBridge } from './http/uws-bridge.ts';
import { createLimits } from './limits/limits.ts';
import { connectionsOfOne, createWorkLine, DEFAULT_WORK_LIMITS } from './limits/work-line.ts';
import type { Logger } from './log.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createPeerNode } from './peers/peers.ts';
import { openPorts, type Ports } from './ports.ts';
import type { NamespaceHandler } from './realtime/socket.ts';
import { createSocketServer, type SocketServer } from './realtime/socket-server.ts';
import { createUwsApp } from './realtime/uws.ts';
import { realtimeSettings } from './realtime-settings.ts';
import { createRedisServer } from './redis/server.ts';
import { within } from './shared/deadline.ts';
import { newId } from './shared/ids.ts';
import { createMemoryBudget } from './shared/memory-budget.ts';
import { createHostRule } from './shared/origin.ts';
import type { Database } from './store/database.ts';
import { createDemoPeople } from './store/demo-people.ts';
import { openStorage } from './store/storage.ts';
import type { WorkerSeat } from './workers/worker-seat.ts';

export interface AppDeps {
  config: Config;
  databaseUrl: string;
  /** The database is the embedded one: people may be made up in it. */
  ownDatabase: boolean;
  version: string;
  log: Logger;
  /** One of several processes on the port; left out: the only one. */
  worker?: WorkerSeat;
}

export interface App {
  readonly port: number;
  /** Where `/metrics` is, when it has a port of its own. */
  readonly metricsPort: number | null;
  /**
   * Refuses new work, lets running requests and sends finish, closes the sockets so that clients
   * reconnect elsewhere, then everything else. Safe to call again.
   */
  stop(): Promise<void>;
}

const SOCKET_PATH = '/socket.io/';
const POOL_CLOSE_MS = 1_000;
const SENDS_FINISH_MS = 3_000;
const REQUESTS_FINISH_MS = 3_000;
/** Other kinds of envelope than messages: a conversation of 256 people with their names. */
const MIN_ENVELOPE_BYTES = 262_144;
/** What others publish must fit too while settings differ from node to node. */
const MIN_BUS_PAYLOAD_BYTES = 1_048_576;

/**
 * Builds the service on a prepared database (store/prepare.ts) and listens.
 *
 * @throws Error with one sentence when the port can not be taken, or nobody could be served
 */
export async function startApp(deps: AppDeps): Promise<App> {
  const { config, log } = deps;
  const { socketLimits, connections } = realtimeSettings(config, log);
  const memory = createMemoryBudget(config.maxHeldBytes);
  const nodeId = newId();
  const metrics = createMetrics();

  const { database, writer, store, epochs, check } = await openStorage({
    url: deps.databaseUrl,
    settings: config.database,
    maxContentLength: config.content.maxContentLength,
    log,
    onBatch: metrics.batchWritten,
  });

  const maxEnvelopeBytes = Math.max(config.maxFrameBytes, MIN_ENVELOPE_BYTES);
  const { url, prefix } = config.redis;
  const redis = url === null ? null : createRedisServer({ url, prefix, nodeId, log });
  const redisBus =
    redis === null
      ? null
      : createRedisBus({
          server: redis,
          prefix,
          epoch: epochs.current(),
          nodeId,
          log,
          limits: { maxPayloadBytes: Math.max(maxEnvelopeBytes, MIN_BUS_PAYLOAD_BYTES) },
        });
  const bus: Bus = redisBus ?? createMemoryBus({ nodeId });

  const limits = createLimits({
    rates: config.rateLimits,
    redis,
    trustedProxies: config.trustedProxies,
  });
  const work = createWorkLine({
    limits: {
      ...DEFAULT_WORK_LIMITS,
      ...config.work,
      maxConnections: connectionsOfOne(config.database.poolMax),
      maxWaitMs: config.database.queryDeadlineMs,
    },
  });

  const trustsHost = createHostRule(config.trustedHosts);
  const uws = createUwsApp(config.tls);
  // Made last of the realtime parts, used by the first: nothing is published before it exists.
  const publish: SocketServer['publish'] = (topic, frame, options) =>
    server.publish(topic, frame, options);

  const doorkeeper = createDoorkeeper(createAuthenticator(config.auth), limits.gate);
  const delivery = createDelivery({
    bus,
    store,
    doorkeeper,
    createChat: (events) => {
      const chat = createChat({
        store,
        events,
        clock: systemClock,
        contentRules: config.content,
        sendLimit: limits.sends,
        fanOutLimit: limits.fanOut,
        work,
      });
      return { ...chat, messages: metrics.measured(chat.messages) };
    },
    publish,
    subscribers: (topic) => server.subscribers(topic),
    epochs,
    eventLimit: limits.events,
    work,
    settings: {
      ...config.delivery,
      maxBackpressureBytes: config.realtime.maxBackpressureBytes,
      maxEnvelopeBytes,
      catchUpMs: config.database.queryDeadlineMs,
    },
    log,
  });
  const node =
    redis === null
      ? null
      : createPeerNode({
          redis,
          ...config.peers,
          path: SOCKET_PATH,
          limits: socketLimits,
          connections,
          memory,
          log,
        });
  const server = createSocketServer({
    app: uws,
    path: SOCKET_PATH,
    limits: socketLimits,
    ...(node === null ? {} : { peers: node.peers }),
    connections,
    memory,
    corsOrigins: config.corsOrigins,
    trustsHost,
    ...(limits.gate === null ? {} : { gate: limits.gate }),
    ...(limits.events === null ? {} : { packetLimit: limits.events }),
    log,
    namespaces: new Map<string, NamespaceHandler>([['/', delivery.namespace]]),
  });

  let draining = false;
  metrics.watch({
    version: deps.version,
    draining: () => draining,
    sockets: server.stats,
    connections: connections.stats,
    memory: memory.stats,
    delivery: delivery.stats,
    writer: writer.stats,
    database: database.stats,
    busStatus: bus.status,
    bus: () => redisBus?.stats() ?? null,
    refusals: limits.stats,
    work: work.stats,
    peers: () => node?.stats() ?? null,
  });
  const bridge = createUwsBridge({
    app: uws,
    maxBodyBytes: config.maxPayloadBytes,
    memory,
    refusalBody,
  });
  const shown = deps.worker?.share(metrics) ?? metrics;
  const { token } = config.metrics;
  const figures: MetricsDeps = {
    contentType: shown.contentType,
    text: shown.text,
    ...(token === null ? {} : { mayRead: createServiceTokens([token]) }),
  };
  const http = await createHttpApp({
    chat: delivery.chat,
    doorkeeper,
    corsOrigins: config.corsOrigins,
    ...(config.guardsPages
      ? { pageGuard: createPageGuard({ corsOrigins: config.corsOrigins, trustsHost }) }
      : {}),
    maxPayloadBytes: config.maxPayloadBytes,
    limits,
    version: deps.version,
    draining: () => draining,
    readiness: createReadiness({
      postgres: check,
      link: bus.status,
      trouble: () => redis?.trouble() ?? null,
      redisRequired: config.redis.requiredForReady,
      draining: () => draining,
    }),
    ...(config.metrics.port === null ? { metrics: figures } : {}),
    tls: config.tls !== null,
    requestTimes: metrics.requests,
    ...(deps.worker === undefined ? {} : { worker: deps.worker.order.worker }),
    log,
    ...(config.demoPage ? { page: pageDeps(deps, database) } : {}),
    serverFactory: bridge.serverFactory,
  });
  await http.ready();

  async function close(): Promise<void> {
    await server.close();
    await node?.close();
    delivery.close();
    await http.close();
    work.close();
    await bus.close();
    redis?.close();
    await database.close(POOL_CLOSE_MS);
  }

  let ports: Ports;
  try {
    await node?.listen();
    const shared = deps.worker === undefined ? {} : { sharedPort: deps.worker.order.port };
    ports = await openPorts({ app: uws, config, figures, ...shared });
  } catch (error) {
    await close();
    throw error;
  }

  let stopping: Promise<void> | null = null;
  async function drainAndClose(): Promise<void> {
    draining = true;
    ports.stop();
    const overMs = config.drainGraceMs;
    await Promise.all([server.drain({ overMs }), node?.drain(overMs)]);
    await Promise.all([writer.drain(SENDS_FINISH_MS), within(bridge.idle(), REQUESTS_FINISH_MS)]);
    await close();
    ports.close();
  }

  return {
    port: ports.port,
    metricsPort: ports.metricsPort,
    stop: () => {
      stopping ??= drainAndClose();
      return stopping;
    },
  };
}

/** Whoever is believed without proof may also be made up, but only in a database of our own. */
function pageDeps({ config, ownDatabase }: AppDeps, database: Database): PageDeps {
  const mayMakePeople = ownDatabase && config.auth.mode === 'insecure';
  return {
    directory: fileURLToPath(new URL('../dist/web', import.meta.url)),
    authMode: config.auth.mode,
    maxContentLength: config.content.maxContentLength,
    people: mayMakePeople ? createDemoPeople(database) : null,
  };
}
