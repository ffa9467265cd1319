/** The process: settings, the service (here, or in workers that run the same `main`), signals. */
import cluster from 'node:cluster';
import { extname, join } from 'node:path';
import { isatty } from 'node:tty';
import { type App, startApp } from './app.ts';
import { BROKEN_GRACE_MS, CONNECTIONS_BESIDES_POOL, EMBEDDED_STOP_MS } from './bounds/process.ts';
import { PULSE_LIMITS } from './bounds/workers.ts';
import { type Config, readConfig } from './config.ts';
import { startEmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { createLog, type Logger } from './log.ts';
import { loadDotEnv, packageVersion } from './package-facts.ts';
import { cautionAboutNode } from './platform.js';
import { requirePrerequisites } from './prerequisites.ts';
import { createEnding, refuse } from './process-end.ts';
import { findPort } from './realtime/find-port.ts';
import { loadNativeServer } from './realtime/uws.ts';
import { isLoopbackName } from './shared/origin.ts';
import { reasonOf } from './shared/reason.ts';
import { prepareDatabase } from './store/prepare.ts';
import { countWorkers } from './workers/count.ts';
import { WORKER_ARGUMENT } from './workers/messages.ts';
import { createSupervisor, type Supervisor } from './workers/supervisor.ts';
import { takeSeat } from './workers/worker-seat.ts';

/** The sentence for pm2's cluster mode, or anybody else's use of node:cluster. */
const CLUSTERED =
  "pm2's cluster mode, like node:cluster, gives out connections that this service takes by itself: " +
  'start it once, in fork mode (`exec_mode: "fork"`), and set WORKERS for several processes.';

async function main(): Promise<void> {
  if (cluster.isWorker) throw new Error(CLUSTERED);
  loadNativeServer();
  loadDotEnv();
  const { config, log } = settings();
  const caution = cautionAboutNode();
  if (caution !== null) log.warn(caution);
  if (config.auth.mode === 'insecure') {
    log.warn(
      'AUTH_MODE=insecure: every caller is believed about who it is. For development only; ' +
        'set JWT_SECRET to turn it off.',
    );
  }
  const workers = countWorkers(config);
  if (config.workers === 'auto' && config.redis.url === null) {
    log.info('WORKERS=auto is one process without REDIS_URL');
  }

  await requirePrerequisites(config);
  const postgres =
    config.database.url === null
      ? await startEmbeddedPostgres({
          dataDir: config.database.dataDir,
          maxConnections: connectionsNeeded(config, workers),
          log: (line) => log.debug({ postgres: line }, 'embedded PostgreSQL'),
          warn: (sentence) => log.warn(sentence),
          stopTimeoutMs: EMBEDDED_STOP_MS,
        })
      : null;
  const databaseUrl = config.database.url ?? postgres?.url ?? '';
  const ownDatabase = postgres !== null;

  let service: App | Supervisor | null = null;
  let killWorkers = (): void => undefined;
  const stopAll = async (graceMs?: number): Promise<void> => {
    try {
      await service?.stop(graceMs);
    } finally {
      await postgres?.stop();
    }
  };
  const graceMs = config.drainGraceMs;
  // Workers are as well as they were when it is their supervisor that is broken.
  const brokenGraceMs = workers === 1 ? Math.min(graceMs, BROKEN_GRACE_MS) : graceMs;
  const ending = createEnding(log, stopAll, { graceMs, brokenGraceMs });
  const stop = (why: string, exitCode: number): void => {
    if (!ending.begun()) log.info(`${why}: finishing what is running, then stopping`);
    ending.begin(exitCode);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (!ending.isOverdue()) {
        stop(signal, 0);
        return;
      }
      log.warn(`${signal} again: stopping at once`);
      killWorkers();
      process.exit(1);
    });
  }
  postgres?.died.then((reason) => stop(`the embedded PostgreSQL has ended (${reason})`, 1));

  try {
    const { connectTimeoutMs } = config.database;
    await prepareDatabase({ databaseUrl, demoData: ownDatabase, connectTimeoutMs, log });
    if (ending.begun()) return;
    let port: number;
    let metricsPort = config.metrics.port;
    if (workers === 1) {
      const app = await startApp({
        config,
        databaseUrl,
        ownDatabase,
        version: packageVersion(),
        log,
      });
      service = app;
      port = app.port;
      metricsPort = app.metricsPort;
    } else {
      // For 0 one that is free, which all of them can then share.
      port = await findPort(config.host, config.port);
      const entry = join(import.meta.dirname, `main${extname(import.meta.filename)}`);
      const order = { port, databaseUrl, ownDatabase };
      const supervisor = createSupervisor({
        entry,
        workers,
        order,
        graceMs,
        pulse: PULSE_LIMITS,
        log,
      });
      service = supervisor;
      killWorkers = supervisor.kill;
      const onHangUp = (): void => {
        if (!terminalIsGone()) {
          supervisor.restart();
          return;
        }
        // Ends of it as one process would; the workers, without a supervisor, do too.
        process.off('SIGHUP', onHangUp);
        process.kill(process.pid, 'SIGHUP');
      };
      process.on('SIGHUP', onHangUp);
      await supervisor.start();
    }
    greet({ port, metricsPort, config, embedded: ownDatabase, workers });
  } catch (error) {
    // Stopped while it started: that is how the start failed, and it is said already.
    if (ending.begun()) return;
    await stopAll().catch((cause: unknown) => log.error({ err: cause }, 'stopping failed'));
    refuse(error);
  }
}

/** One of several processes: does what the supervisor says, and ends when it is gone. */
async function serveAsWorker(): Promise<void> {
  // A terminal tells them to the whole group; what follows from it is for the supervisor to say.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  const seat = await takeSeat();
  const { worker, databaseUrl, ownDatabase } = seat.order;
  try {
    const { config, log } = settings({ worker });
    let app: App | null = null;
    const stopAll = async (graceMs: number): Promise<void> => {
      await app?.stop(graceMs);
      await seat.farewell();
    };
    const graceMs = config.drainGraceMs;
    const brokenGraceMs = Math.min(graceMs, BROKEN_GRACE_MS);
    const ending = createEnding(log, stopAll, { graceMs, brokenGraceMs });
    process.on('SIGTERM', () => ending.begin(0));
    void seat.supervisorGone.then(() => {
      log.warn('the supervisor is gone: finishing what is running, then stopping');
      ending.begin(1);
    });
    const version = packageVersion();
    app = await startApp({ config, databaseUrl, ownDatabase, version, log, worker: seat });
    seat.listening();
  } catch (error) {
    await seat.failed(reasonOf(error));
    process.exit(1);
  }
}

/** @param fields what every line of the log carries */
function settings(fields: object = {}): { config: Config; log: Logger } {
  const config = readConfig(process.env);
  const log = createLog({ level: config.logLevel, pretty: process.stdout.isTTY === true });
  return { config, log: log.child(fields) };
}

/** How many connections the embedded PostgreSQL has to take: during a rolling restart there is a worker more. */
function connectionsNeeded({ database }: Config, workers: number): number {
  return (workers + 1) * (database.poolMax + CONNECTIONS_BESIDES_POOL);
}

/** SIGHUP means two things: start anew, and that the terminal has been closed. */
function terminalIsGone(): boolean {
  return process.stdout.isTTY === true && !isatty(1);
}

interface Greeting {
  port: number;
  metricsPort: number | null;
  config: Config;
  embedded: boolean;
  workers: number;
}

function greet({ port, metricsPort, config, embedded, workers }: Greeting): void {
  const url = `${config.tls === null ? 'http' : 'https'}://localhost:${port}`;
  process.stdout.write(
    [
      '',
      `  messaging-service listens on ${url}`,
      ...(config.demoPage ? [`    chat        ${url}/`] : []),
      `    REST        ${url}/docs`,
      `    Socket.IO   io('${url}', { query: { userId: '…' } })`,
      `    health      ${url}/health   ${url}/ready`,
      ...(metricsPort === null ? [] : [`    metrics     http://localhost:${metricsPort}/metrics`]),
      ...reachOf(config),
      embedded
        ? '    storage     embedded PostgreSQL with Alice …00a, Bob …00b and Carol …00c'
        : '    storage     DATABASE_URL',
      config.redis.url !== null
        ? '    nodes       joined by REDIS_URL'
        : '    nodes       this one alone (no REDIS_URL)',
      ...(workers > 1
        ? [`    workers     ${workers} processes, supervised by ${process.pid}`]
        : []),
      '',
      '',
    ].join('\n'),
  );
}

/** Who can reach a service that believes whoever calls. */
function reachOf({ auth, host, guardsPages }: Config): string[] {
  if (auth.mode !== 'insecure') return [];
  if (!isLoopbackName(host)) {
    return [
      `    OPEN        to the network (HOST=${host}): whoever reaches it is believed about who they are`,
    ];
  }
  const pages = guardsPages ? ', and for pages of this machine or of CORS_ORIGINS' : '';
  return [`    open        to this machine alone${pages}; HOST=0.0.0.0 opens it to the network`];
}

(process.argv[2] === WORKER_ARGUMENT ? serveAsWorker() : main()).catch(refuse);
