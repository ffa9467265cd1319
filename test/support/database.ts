// One fresh database per test file, on the server globalSetup found or started. Few connections:
// a development server allows 100, and several test files run at once.

import postgres from 'postgres';
import { inject } from 'vitest';
import { createDatabase, dropDatabase } from './test-databases.ts';

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
 * Creates an empty UTF-8 database with a name of its own.
 *
 * @param options.migrate whether to apply the migrations of `sql/` (default true)
 */
export async function createTestDatabase(
  options: { migrate?: boolean } = {},
): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = await createDatabase(serverUrl);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, {
    max: POOL_MAX,
    connect_timeout: CONNECT_TIMEOUT_S,
    connection: { TimeZone: 'UTC' },
    onnotice: () => undefined,
  });
  const drop = async (): Promise<void> => {
    await sql.end({ timeout: 1 });
    await dropDatabase(serverUrl, name);
  };

  try {
    if (options.migrate ?? true) {
      // Loaded late: tests of other parts do not pay for it.
      const { migrate } = await import('../../src/store/migrate.ts');
      await migrate({ databaseUrl: url.href });
    }
  } catch (error) {
    await drop();
    throw error;
  }
  return { url: url.href, sql, drop };
}
