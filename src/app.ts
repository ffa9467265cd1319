/**
 * The composition root: the only place that knows every part. Reads top to bottom as the service is
 * built, each part on those above it: storage, the other nodes, limits; sockets, audience, rules,
 * delivery; figures, HTTP, ports. `stop` takes it down in the opposite order.
 */
import { createAudience } from './audience/audience.ts';
import { createAuthenticator } from './auth/authenticator.ts';
import { createDoorkeeper } from './auth/doorkeeper.ts';
import { AUTHENTICATOR_LIMITS } from './bounds/auth.ts';
import { WORK_LIMITS } from './bounds/limits.ts';
import { createChat } from './chat/chat.ts';
import { systemClock } from './chat/system-clock.ts';
import type { Config } from './config.ts';
import { createDelivery, type DeliverySettings } from './delivery/delivery.ts';
import { closeParts, createDraining } from './draining.ts';
import { createReadiness } from './http/readiness.ts';
import { createHttpDoor } from './http-door.ts';
import { createLimits } from './limits/limits.ts';
import { connectionsOfOne, createWorkLine, type WorkLimits } from './limits/work-line.ts';
import type { Logger } from './log.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createOtherNodes } from './other-nodes.ts';
import { openPorts, type Ports } from './ports.ts';
import { createSocketServer } from './realtime/socket-server.ts';
import { createUwsApp } from './realtime/uws.ts';
import { realtimeSettings, SOCKET_PATH } from './realtime-settings.ts';
import { createBeat } from './shared/beat.ts';
import { createMemoryBudget } from './shared/memory-budget.ts';
import { createHostRule } from './shared/origin.ts';
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
   *
   * @param graceMs how long closing the sockets may take; left out: DRAIN_GRACE_MS
   */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Builds the service on a prepared database (store/prepare.ts) and listens.
 *
 * @throws Error with one sentence when the port cannot be taken, or nobody could be served
 */
export async function startApp(deps: AppDeps): Promise<App> {
  const { config, version, log, worker } = deps;
  const { corsOrigins } = config;
  const realtime = realtimeSettings(config, log);
  const { socketLimits, connections } = realtime;
  const memory = createMemoryBudget(config.maxHeldBytes);
  const metrics = createMetrics();
  const draining = createDraining();

  const { database, writer, store, epochs, check } = await openStorage({
    url: deps.databaseUrl,
    settings: config.database,
    maxContentLength: config.content.maxContentLength,
    log,
    onBatch: metrics.batchWritten,
  });
  const beat = createBeat();
  const others = createOtherNodes({ config, epoch: epochs.current(), realtime, memory, beat, log });
  const { bus, redis, peerNode } = others;

  const { rateLimits: rates, trustedProxies } = config;
  const limits = createLimits({ rates, redis, trustedProxies });
  const work = createWorkLine({ limits: workLimits(config) });
  const uws = createUwsApp(config.tls);
  const doorkeeper = createDoorkeeper(
    createAuthenticator(config.auth, AUTHENTICATOR_LIMITS, (reason) => {
      if (reason === null) log.info('the key set (JWT_JWKS_URL) can be fetched again');
      else log.warn({ reason }, 'the key set (JWT_JWKS_URL) cannot be fetched');
    }),
    limits.gate,
  );
  const trustsHost = createHostRule(config.trustedHosts);

  const server = createSocketServer({
    app: uws,
    path: SOCKET_PATH,
    limits: socketLimits,
    ...(peerNode === null ? {} : { peers: peerNode.peers }),
    connections,
    memory,
    corsOrigins,
    trustsHost,
    unknownNamespace: { code: 'not_found' },
    ...(limits.gate === null ? {} : { gate: limits.gate }),
    ...(limits.events === null ? {} : { packetLimit: limits.events }),
    log,
  });
  const audience = createAudience({
    bus,
    store,
    server,
    epochs,
    database,
    writes: writer,
    beat,
    settings: config.audience,
    log,
  });
  const rules = createChat({
    store,
    events: audience.events,
    clock: systemClock,
    contentRules: config.content,
    sendLimit: limits.sends,
    fanOutLimit: limits.fanOut,
    work,
  });
  const chat = { ...rules, messages: metrics.measured(rules.messages) };
  const delivery = createDelivery({
    chat,
    audience,
    store,
    doorkeeper,
    eventLimit: limits.events,
    work,
    settings: deliverySettings(config),
    log,
  });
  server.mount('/', delivery.namespace);

  metrics.watch({
    version,
    draining: draining.hasBegun,
    sockets: server.stats,
    connections: connections.stats,
    memory: memory.stats,
    audience: audience.stats,
    joins: delivery.joins,
    writer: writer.stats,
    database: database.stats,
    busStatus: bus.status,
    bus: others.busStats,
    refusals: limits.stats,
    work: work.stats,
    peers: () => peerNode?.stats() ?? null,
  });
  const http = await createHttpDoor({
    ...deps,
    uws,
    chat,
    doorkeeper,
    limits,
    trustsHost,
    memory,
    metrics,
    database,
    draining: draining.hasBegun,
    readiness: createReadiness({
      postgres: check,
      link: bus.status,
      trouble: () => redis?.trouble() ?? null,
      redisRequired: config.redis.requiredForReady,
      draining: draining.hasBegun,
    }),
  });

  const doors = { server, peerNode, delivery, http };
  const parts = { ...doors, chat, audience, work, bus, redis, writer, database };
  let ports: Ports;
  try {
    await peerNode?.listen();
    const shared = worker === undefined ? {} : { sharedPort: worker.order.port };
    ports = await openPorts({ app: uws, config, figures: http.figures, ...shared });
  } catch (error) {
    await closeParts(parts);
    throw error;
  }

  return {
    port: ports.port,
    metricsPort: ports.metricsPort,
    stop: (graceMs = config.drainGraceMs) => draining.run(ports, parts, graceMs),
  };
}

function workLimits({ work, database }: Config): WorkLimits {
  return {
    ...WORK_LIMITS,
    ...work,
    maxConnections: connectionsOfOne(database.poolMax),
    maxWaitMs: database.queryDeadlineMs,
  };
}

function deliverySettings({ delivery, realtime, database }: Config): DeliverySettings {
  return {
    ...delivery,
    maxBackpressureBytes: realtime.maxBackpressureBytes,
    catchUpMs: database.queryDeadlineMs,
  };
}
