// Making and dropping the test databases of a server. Free of vitest's test-side API, so that
// globalSetup can use it too.

import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

const CONNECT_TIMEOUT_S = 10;
/** Databases of crashed runs older than this are dropped by the next run. */
const STALE_AFTER_MS = 60 * 60 * 1000;
const NAME_PATTERN = /^test_([0-9a-z]+)_[0-9a-f]{12}$/;

/** Creates an empty UTF-8 database and returns its name. */
export async function createDatabase(serverUrl: string): Promise<string> {
  // The time is part of the name: PostgreSQL does not record when a database was made.
  const name = `test_${Date.now().toString(36)}_${randomBytes(6).toString('hex')}`;
  await withServer(serverUrl, async (admin) => {
    await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  });
  return name;
}

/** Drops a database made here, ending whatever is still connected to it. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withServer(serverUrl, (admin) => drop(admin, name));
}

/** Drops the test databases that crashed runs left on the server more than an hour ago. */
export async function dropStaleTestDatabases(serverUrl: string): Promise<void> {
  await withServer(serverUrl, async (admin) => {
    const rows = await admin<{ datname: string }[]>`
      SELECT datname FROM pg_database WHERE starts_with(datname, 'test_')`;
    for (const { datname } of rows) {
      const madeAt = NAME_PATTERN.exec(datname)?.[1];
      if (madeAt === undefined) continue;
      if (Number.parseInt(madeAt, 36) < Date.now() - STALE_AFTER_MS) {
        await drop(admin, datname);
      }
    }
  });
}

async function drop(admin: postgres.Sql, name: string): Promise<void> {
  await admin.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function withServer<T>(url: string, use: (admin: postgres.Sql) => Promise<T>): Promise<T> {
  const admin = postgres(url, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    onnotice: () => undefined,
  });
  try {
    return await use(admin);
  } finally {
    await admin.end({ timeout: 5 });
  }
}
