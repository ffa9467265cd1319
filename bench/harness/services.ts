/** What benches use and do not bring: PostgreSQL, Redis, ejabberd; those named, the local ones, an embedded one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { startEmbeddedPostgres } from '../../src/embedded/embedded-postgres.ts';
import { type Ejabberd, findEjabberd } from './ejabberd.ts';

const LOCAL_POSTGRES = 'postgres://postgres@127.0.0.1:5432/postgres';
const LOCAL_REDIS = 'redis://127.0.0.1:6379';
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const STOP_MS = 20_000;
const PROBE_MS = 1_000;

export interface Services {
  postgresUrl: string;
  redisUrl: string | null;
  ejabberd: Ejabberd | null;
  /** What PostgreSQL this is and how it is set, by name. */
  postgresFacts: Record<string, string>;
  /** Its data, when it runs on this machine and says where; not for showing. */
  postgresDirectory: string | null;
  stop(): Promise<void>;
}

/** @throws Error when a service that was named does not answer */
export async function findServices(): Promise<Services> {
  const redisUrl = await findRedis();
  const { url, stop } = await findPostgres();
  try {
    return {
      postgresUrl: url,
      redisUrl,
      ejabberd: findEjabberd(),
      postgresFacts: await factsOf(url),
      postgresDirectory: await directoryOf(url),
      stop,
    };
  } catch (error) {
    await stop();
    throw new Error(`PostgreSQL cannot be asked: ${String(error)}`, { cause: error });
  }
}

async function findRedis(): Promise<string | null> {
  const named = process.env.REDIS_URL;
  if (named === undefined) return (await answers(LOCAL_REDIS)) ? LOCAL_REDIS : null;
  if (!(await answers(named))) throw new Error('There is no Redis where REDIS_URL says.');
  return named;
}

async function findPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env.DATABASE_URL ?? ((await usable(LOCAL_POSTGRES)) ? LOCAL_POSTGRES : '');
  if (given !== '') return { url: given, stop: () => Promise.resolve() };
  const dataDir = mkdtempSync(join(tmpdir(), 'messaging-bench-postgres-'));
  const embedded = await startEmbeddedPostgres({
    dataDir,
    port: await freePort(), // trees to compare with, and baselines, may know TCP alone
    log: () => undefined,
    stopTimeoutMs: STOP_MS,
  });
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

async function usable(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => undefined });
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    return false; // nobody there: an embedded one will do
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || 6379 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_MS, end(false));
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}

async function factsOf(url: string): Promise<Record<string, string>> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const rows = await sql<{ name: string; setting: string }[]>`
      SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name IN
        ('server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size',
         'full_page_writes', 'wal_level')`;
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  } finally {
    await sql.end();
  }
}

async function directoryOf(url: string): Promise<string | null> {
  if (!LOOPBACK.has(new URL(url).hostname)) return null;
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    // No row for a role that may not know.
    const [row] = await sql<{ setting: string }[]>`
      SELECT setting FROM pg_settings WHERE name = 'data_directory'`;
    return row?.setting ?? null;
  } finally {
    await sql.end();
  }
}
