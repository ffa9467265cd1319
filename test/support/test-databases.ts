// Making and dropping the test databases of a server. Free of vitest's test-side API, so that
// globalSetup can use it too.

import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

const CONNECT_TIMEOUT_S = 10;
/** Databases of crashed runs older than this are dropped by the next run. */
const STALE_AFTER_MS = 60 * 60 * 1000;
const NAME_PATTERN = /^test_([0-9a-z]+)_[0-9a-f]{12}$/;

/** A name for a new database; the time is part of it, which PostgreSQL does not record. */
export function newDatabaseName(): string {
  return `test_${Date.now().toString(36)}_${randomBytes(6).toString('hex')}`;
}

/** Creates an empty UTF-8 database and returns its name. */
export async function createDatabase(serverUrl: string): Promise<string> {
  const name = newDatabaseName();
  await withServer(serverUrl, (admin) => createEmpty(admin, name));
  return name;
}

/**
 * Creates a copy of the database `template` and returns its name. Where there is no such template yet, it is
 * made first: an empty database that `prepare` has filled. Whoever comes meanwhile, from whichever process,
 * waits for it.
 *
 * @param prepare is given the template's URL, and closes what it opens there
 */
export async function createCopy(
  serverUrl: string,
  template: string,
  prepare: (url: string) => Promise<void>,
): Promise<string> {
  const name = newDatabaseName();
  await withServer(serverUrl, async (admin) => {
    await admin`SELECT pg_advisory_lock(hashtext(${template}))`; // until this connection ends
    const found = await admin`SELECT FROM pg_database WHERE datname = ${template}`;
    if (found.length === 0) {
      // Under another name until it is whole.
      const making = await createDatabase(serverUrl);
      await prepare(databaseUrl(serverUrl, making));
      await admin.unsafe(`ALTER DATABASE ${making} RENAME TO ${template}`);
    }
    await admin`SELECT pg_advisory_unlock(hashtext(${template}))`;
    await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  return name;
}

/** The server's URL with the name of another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
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

async function createEmpty(admin: postgres.Sql, name: string): Promise<void> {
  await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
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
