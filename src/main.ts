/** The process: settings, the service, signals. */
import { type App, startApp } from './app.ts';
import { type Config, readConfig } from './config.ts';
import { startEmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { createLog } from './log.ts';
import { loadDotEnv, packageVersion } from './package-facts.ts';

/** Whatever hangs, the process is gone by then: orchestrators kill after 10 s. */
const STOP_DEADLINE_MS = 9_500;
const EMBEDDED_STOP_MS = 3_000;

/** One clear sentence on the terminal, and exit 1. */
function refuse(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`messaging-service can not start: ${message}\n`);
  process.exit(1);
}

async function main(): Promise<void> {
  loadDotEnv();
  const config = readConfig(process.env);
  const log = createLog({ level: config.logLevel, pretty: process.stdout.isTTY === true });
  if (config.auth.mode === 'insecure') {
    log.warn(
      'AUTH_MODE=insecure: every caller is believed about who it is. For development only; ' +
        'set JWT_SECRET to turn it off.',
    );
  }

  const postgres =
    config.database.url === null
      ? await startEmbeddedPostgres({
          dataDir: config.database.dataDir,
          log: (line) => log.debug({ postgres: line }, 'embedded PostgreSQL'),
          stopTimeoutMs: EMBEDDED_STOP_MS,
        })
      : null;

  let app: App | null = null;
  let stopping = false;
  const stop = (why: string, exitCode: number): void => {
    if (stopping) return;
    stopping = true;
    log.info(`${why}: finishing what is running, then stopping`);
    const giveUp = setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, STOP_DEADLINE_MS);
    giveUp.unref();
    (app?.stop() ?? Promise.resolve())
      .then(() => postgres?.stop())
      .then(
        () => process.exit(exitCode),
        (error: unknown) => {
          log.error({ err: error }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', () => stop('SIGTERM', 0));
  process.on('SIGINT', () => stop('SIGINT', 0));
  postgres?.died.then((reason) => stop(`the embedded PostgreSQL has ended (${reason})`, 1));

  try {
    app = await startApp({
      config,
      databaseUrl: config.database.url ?? postgres?.url ?? '',
      demoData: postgres !== null,
      version: packageVersion(),
      log,
    });
  } catch (error) {
    await postgres?.stop();
    refuse(error);
  }
  greet(app.port, config, postgres !== null);
}

function greet(port: number, config: Config, embedded: boolean): void {
  const url = `${config.tls === null ? 'http' : 'https'}://localhost:${port}`;
  process.stdout.write(
    [
      '',
      `  messaging-service listens on ${url}`,
      ...(config.demoPage ? [`    chat        ${url}/`] : []),
      `    REST        ${url}/docs`,
      `    Socket.IO   io('${url}', { query: { userId: '…' } })`,
      `    health      ${url}/health   ${url}/ready`,
      embedded
        ? '    storage     embedded PostgreSQL with Alice …00a, Bob …00b and Carol …00c'
        : '    storage     DATABASE_URL',
      config.redis.url !== null
        ? '    nodes       joined by REDIS_URL'
        : '    nodes       this one alone (no REDIS_URL)',
      '',
      '',
    ].join('\n'),
  );
}

process.on('unhandledRejection', (error) => refuse(error));
main().catch(refuse);
