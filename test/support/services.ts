// vitest globalSetup: finds or starts the PostgreSQL and the Redis that all test files share.
// In order: DATABASE_URL and REDIS_URL; what answers on the usual local ports; an embedded
// PostgreSQL and a redis-server or valkey-server from the PATH; for Redis on Debian or Ubuntu, as
// root, the distribution's package. What was started here is stopped at the end.

import { readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { installRedis } from './apt-redis.ts';
import { startOwnPostgres } from './postgres.ts';
import { findRedisBinary, redisAnswers, startOwnRedis } from './redis-server.ts';
import { dropDatabase, dropStaleTestDatabases, newDatabaseName } from './test-databases.ts';

const LOCAL_POSTGRES_URL = 'postgres://postgres@127.0.0.1:5432/postgres';
const LOCAL_REDIS_URL = 'redis://127.0.0.1:6379';
const PROBE_TIMEOUT_S = 3;
/** Directories of killed runs older than this are removed by the next run. */
const STALE_AFTER_MS = 60 * 60 * 1000;

declare module 'vitest' {
  export interface ProvidedContext {
    /** A database on which the role may create databases; tests use `createTestDatabase()`. */
    postgresUrl: string;
    /** The name for a database of this run that has been migrated: the first test that needs one makes it. */
    migratedTemplate: string;
    /** The shared Redis; tests use `redisUrl()` and a `uniquePrefix()`. */
    redisUrl: string;
  }
}

interface Service {
  url: string;
  stop(): Promise<void>;
}

const nothingToStop = (): Promise<void> => Promise.resolve();

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const database = await findPostgres();
  const redis = await findRedis().catch(async (error: unknown) => {
    await database.stop();
    throw error;
  });
  const template = newDatabaseName();
  const teardown = async (): Promise<void> => {
    await dropDatabase(database.url, template);
    await redis.stop();
    await database.stop();
  };
  try {
    await dropStaleTestDatabases(database.url);
    await removeStaleDirectories();
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('postgresUrl', database.url);
  project.provide('migratedTemplate', template);
  project.provide('redisUrl', redis.url);
  return teardown;
}

async function findPostgres(): Promise<Service> {
  const given = process.env.DATABASE_URL;
  if (given) {
    const complaint = await postgresComplaint(given);
    if (complaint !== undefined) {
      throw new Error(`The PostgreSQL of DATABASE_URL cannot be used for tests: ${complaint}`);
    }
    return { url: given, stop: nothingToStop };
  }
  if ((await postgresComplaint(LOCAL_POSTGRES_URL)) === undefined) {
    return { url: LOCAL_POSTGRES_URL, stop: nothingToStop };
  }
  const lines: string[] = [];
  const own = await startOwnPostgres((line) => lines.push(line)).catch((error: unknown) => {
    process.stderr.write(lines.map((line) => `[postgres] ${line}\n`).join(''));
    throw error;
  });
  say('No PostgreSQL on 127.0.0.1:5432: the tests use an embedded one.');
  return { url: own.url, stop: () => own.stop() };
}

/** Why the tests cannot use this server, or nothing when they can. */
async function postgresComplaint(url: string): Promise<string | undefined> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: PROBE_TIMEOUT_S,
    onnotice: () => undefined,
  });
  try {
    const [role] = await sql<{ may: boolean }[]>`
      SELECT rolcreatedb OR rolsuper AS may FROM pg_roles WHERE rolname = current_user`;
    return role?.may === true ? undefined : 'its role may not create databases.';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function findRedis(): Promise<Service> {
  const given = process.env.REDIS_URL;
  if (given) {
    if (await redisAnswers(given)) return { url: given, stop: nothingToStop };
    throw new Error('The Redis of REDIS_URL does not answer PING.');
  }
  if (await redisAnswers(LOCAL_REDIS_URL)) return { url: LOCAL_REDIS_URL, stop: nothingToStop };
  if (findRedisBinary() === undefined && !(await installRedis(say))) {
    throw new Error(
      'The tests need Redis: set REDIS_URL, or install redis-server or valkey-server.',
    );
  }
  const own = await startOwnRedis();
  say('No Redis on 127.0.0.1:6379: the tests use a private one.');
  return { url: own.url, stop: () => own.stop() };
}

/** A PostgreSQL still running in one ends by itself: it looks for its lock file every minute. */
async function removeStaleDirectories(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith('messaging-test-')) continue;
    const path = join(tmpdir(), name);
    const found = await stat(path).catch(() => undefined); // another run may be faster
    if (found === undefined || found.mtimeMs > Date.now() - STALE_AFTER_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
}

function say(line: string): void {
  process.stderr.write(`[test services] ${line}\n`);
}
