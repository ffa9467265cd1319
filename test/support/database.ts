// One fresh database per test file, on the server globalSetup found or started. Few connections:
// a development server allows 100, and several test files run at once.

import postgres from 'postgres';
import { inject } from 'vitest';
import { createCopy, createDatabase, databaseUrl, dropDatabase } from './test-databases.ts';

/** Connections of the `sql` handed to the test. */
const POOL_MAX = 3;
const CONNECT_TIMEOUT_S = 10;

export interface TestDatabase {
  /** Connection string of the new database. */
  url: string;
  /** A small pool on it; `drop()` closes it. */
  sql: postgres.Sql;
  /** Ends every connection to the database and removes it. Safe to call again. */
  drop(): Promise<void>;
}

/**
 * Creates a UTF-8 database with a name of its own.
 *
 * @param options.migrate whether it has what the migrations of `sql/` make, and nothing else (default), or
 *   is empty
 */
export async function createTestDatabase(
  options: { migrate?: boolean } = {},
): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name =
    (options.migrate ?? true)
      ? await createCopy(serverUrl, inject('migratedTemplate'), applyMigrations)
      : await createDatabase(serverUrl);
  const url = databaseUrl(serverUrl, name);
  const sql = postgres(url, {
    max: POOL_MAX,
    connect_timeout: CONNECT_TIMEOUT_S,
    connection: { TimeZone: 'UTC' },
    onnotice: () => undefined,
  });
  const drop = async (): Promise<void> => {
    await sql.end({ timeout: 1 });
    await dropDatabase(serverUrl, name);
  };
  return { url, sql, drop };
}

async function applyMigrations(url: string): Promise<void> {
  // Loaded late: only the first test of a run pays for it.
  const { migrate } = await import('../../src/store/migrate.ts');
  await migrate({ databaseUrl: url });
}
