/**
 * Brings a database to the schema this code needs, from the numbered files in sql/.
 *
 * Guarantees: any number of processes may call it at once on one database, each file is applied
 * once, in order, in a transaction of its own together with its record; calling it again does
 * nothing. A file that changed after it was applied, or a database that a newer version has already
 * migrated, is one clear error and nothing is touched. What serves from the database meanwhile goes on: a
 * table that somebody else holds is waited for briefly, and again and again.
 *
 * The lock belongs to the session: through a pooler in transaction mode it would not hold, so that is refused.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import { MIGRATE_END_S, MIGRATE_LIMITS } from '../bounds/store.ts';
import { chooseHost } from './choose-host.ts';
import { connectPostgres } from './connect.ts';
import { awaitFirstAnswer } from './first-answer.ts';
import { isServerError } from './link.ts';
import { isLocked } from './lock-waits.ts';
import { requireSessions } from './pooler.ts';
import { setSession } from './session.ts';

/** sql/ lies beside src/ and dist/: the same two steps up from either. */
export const SQL_DIRECTORY = fileURLToPath(new URL('../../sql/', import.meta.url));
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;
/** Identifies this lock among all advisory locks of the database: an arbitrary constant. */
export const MIGRATION_LOCK_KEY = '7308604896993423717';
/** The function of PostgreSQL that a RAISE of PL/pgSQL comes from. */
const RAISED = 'exec_stmt_raise';

export interface Migration {
  name: string;
  text: string;
  checksum: string;
}

export interface MigrateOptions {
  databaseUrl: string;
  /** What errors name the database by; the variable DATABASE_URL when left out. */
  setting?: string;
  /** Where the files are; the package's own sql/ when left out. */
  directory?: string;
  log?: (line: string) => void;
}

export interface MigrateLimits {
  /** How long to wait for the first answer of the server, in milliseconds. */
  connectTimeoutMs: number;
  /** How long to wait for other nodes, or with one file for tables' locks, in milliseconds. */
  lockTimeoutMs: number;
  /** How long each wait for a table's lock may be, in milliseconds. */
  lockWaitMs: number;
  /** How long the pause between two of them is at most, in milliseconds; at least it is half of it. */
  lockPauseMs: number;
}

/**
 * Applies what is missing and returns the names of the files applied by this call.
 *
 * @throws Error in one sentence: unreachable server, lock deadline, changed file, newer database,
 *   or the file that failed with PostgreSQL's words as its cause
 */
export function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  return migrateWithin(options, MIGRATE_LIMITS);
}

/** As `migrate`, with waits of one's own. @public */
export async function migrateWithin(
  options: MigrateOptions,
  limits: MigrateLimits,
): Promise<{ applied: string[] }> {
  const { connectTimeoutMs, lockTimeoutMs } = limits;
  const { setting = 'DATABASE_URL', log = () => undefined } = options;
  const migrations = await readMigrations(options.directory ?? SQL_DIRECTORY);
  await chooseHost(options.databaseUrl, connectTimeoutMs);
  const sql = connectPostgres(options.databaseUrl, {
    max: 1, // the lock is the session's: everything must run on the one connection
    connect_timeout: connectTimeoutMs / 1000,
    idle_timeout: 0,
    max_lifetime: null,
    connection: { application_name: 'messaging-migrate' },
    onnotice: ({ severity, routine, message = '' }) => {
      // Of notices what a migration says itself, not what PostgreSQL says of each IF EXISTS.
      if (severity !== 'NOTICE' || routine === RAISED) log(message);
    },
  });
  try {
    await awaitFirstAnswer(sql, connectTimeoutMs, setting);
    await requireSessions(options.databaseUrl, connectTimeoutMs);
    // A backfill takes as long as it takes.
    await setSession(sql, { statement_timeout: 0, lock_timeout: lockTimeoutMs });
    await takeLock(sql, lockTimeoutMs);
    return { applied: await applyMissing(sql, migrations, { limits, log }) };
  } catch (error) {
    if (!isServerError(error)) throw error;
    throw new Error(`The database cannot be migrated (${setting}): ${error.message}`, {
      cause: error,
    });
  } finally {
    // Ending the session gives the lock back, whatever happened.
    await sql.end({ timeout: MIGRATE_END_S });
  }
}

/** The migrations in a directory, in the order in which they are applied. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const numbers = new Set<string>();
  const migrations: Migration[] = [];
  for (const name of names) {
    const number = name.slice(0, 4);
    if (!FILE_NAME.test(name) || numbers.has(number)) {
      throw new Error(`${name} is not a migration: NNNN_name.sql with a number of its own.`);
    }
    numbers.add(number);
    // Line ends are not content: a checkout on another system must not look like a change.
    const text = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n');
    migrations.push({ name, text, checksum: createHash('sha256').update(text).digest('hex') });
  }
  if (migrations.length === 0) throw new Error(`There are no migrations in ${directory}.`);
  return migrations;
}

async function takeLock(sql: postgres.Sql, lockTimeoutMs: number): Promise<void> {
  try {
    await sql`SELECT pg_advisory_lock(${MIGRATION_LOCK_KEY}::bigint)`;
  } catch (error) {
    if (!isLocked(error)) throw error;
    throw new Error(
      `Another process has been migrating this database for over ${lockTimeoutMs / 1000} s.`,
      { cause: error },
    );
  }
}

interface Applying {
  limits: MigrateLimits;
  log: (line: string) => void;
}

async function applyMissing(
  sql: postgres.Sql,
  migrations: Migration[],
  applying: Applying,
): Promise<string[]> {
  const recorded = await readRecord(sql);
  const known = new Set(migrations.map(({ name }) => name));
  for (const name of recorded.keys()) {
    if (!known.has(name)) {
      throw new Error(
        `The database has migration ${name}, which this version does not know: it is newer.`,
      );
    }
  }
  for (const { name, checksum } of migrations) {
    const applied = recorded.get(name);
    if (applied !== undefined && applied !== checksum) {
      throw new Error(`Migration ${name} was changed after it had been applied to this database.`);
    }
  }
  const applied: string[] = [];
  for (const migration of migrations) {
    if (recorded.has(migration.name)) continue;
    await apply(sql, migration, applying);
    applied.push(migration.name);
    applying.log(`applied migration ${migration.name}`);
  }
  return applied;
}

async function readRecord(sql: postgres.Sql): Promise<Map<string, string>> {
  // Looked for first: CREATE … IF NOT EXISTS asks for privileges even when there is nothing to do.
  await sql.unsafe(`
    DO $$ BEGIN
      IF to_regnamespace('messaging') IS NULL THEN CREATE SCHEMA messaging; END IF;
      IF to_regclass('messaging.schema_migrations') IS NULL THEN
        CREATE TABLE messaging.schema_migrations (
          name TEXT PRIMARY KEY,
          checksum TEXT NOT NULL,
          applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
        );
      END IF;
    END $$`);
  const rows = await sql<{ name: string; checksum: string }[]>`
    SELECT name, checksum FROM messaging.schema_migrations`;
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

/** Applies one file, all of it or nothing. Between the attempts it holds no lock and stands in no line. */
async function apply(
  sql: postgres.Sql,
  migration: Migration,
  { limits, log }: Applying,
): Promise<void> {
  const { lockTimeoutMs, lockWaitMs, lockPauseMs } = limits;
  const giveUpAtMs = performance.now() + lockTimeoutMs;
  for (let tries = 1; ; tries += 1) {
    try {
      await applyOnce(sql, migration, Math.min(lockWaitMs, lockTimeoutMs));
      return;
    } catch (error) {
      if (isLocked(error) && performance.now() < giveUpAtMs) {
        if (tries === 1) log(`migration ${migration.name} waits for what another session holds`);
        // With jitter, so that it does not keep step with what somebody does at intervals.
        await sleep(lockPauseMs * (0.5 + Math.random() / 2));
        continue;
      }
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Migration ${migration.name} failed, nothing of it was kept: ${reason}`, {
        cause: error,
      });
    }
  }
}

async function applyOnce(
  sql: postgres.Sql,
  { name, text, checksum }: Migration,
  lockWaitMs: number,
): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`SELECT set_config('lock_timeout', ${String(lockWaitMs)}, true)`;
    await transaction.unsafe(text);
    await transaction`
      INSERT INTO messaging.schema_migrations (name, checksum) VALUES (${name}, ${checksum})`;
  });
}
