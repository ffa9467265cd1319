import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATE_LIMITS } from '../../src/bounds/store.ts';
import { MIGRATION_LOCK_KEY, migrate, migrateWithin } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';

const sqlDirectory = fileURLToPath(new URL('../../sql/', import.meta.url));

let db: TestDatabase;
let sql: postgres.Sql;
let directory: string;

beforeEach(async () => {
  db = await createTestDatabase({ migrate: false });
  sql = db.sql;
  // A copy, so that a test may change files.
  directory = await mkdtemp(join(tmpdir(), 'messaging-sql-'));
  await cp(sqlDirectory, directory, { recursive: true });
});

afterEach(async () => {
  await db.drop();
  await rm(directory, { recursive: true, force: true });
});

const run = (limits: { lockTimeoutMs?: number } = {}) =>
  migrateWithin({ databaseUrl: db.url, directory }, { ...MIGRATE_LIMITS, ...limits });

async function columnsOf(table: string): Promise<Map<string, string>> {
  const rows = await sql<{ name: string; type: string }[]>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped`;
  return new Map(rows.map(({ name, type }) => [name, type]));
}

async function indexesOf(table: string): Promise<Map<string, string>> {
  const rows = await sql<{ indexname: string; indexdef: string }[]>`
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'messaging' AND tablename = ${table}`;
  return new Map(rows.map(({ indexname, indexdef }) => [indexname, indexdef]));
}

describe('on an empty database', () => {
  it('makes the given tables, the additions and minimal tables of the other services', async () => {
    const { applied } = await run();

    expect(applied).toEqual((await readdir(directory)).sort());
    expect(await columnsOf('auth.users')).toEqual(
      new Map([
        ['id', 'uuid'],
        ['name', 'text'],
      ]),
    );
    expect(await columnsOf('requests.matches')).toEqual(new Map([['id', 'uuid']]));
    const messages = await columnsOf('messaging.messages');
    expect(messages.get('status')).toBe('character varying(50)');
    expect(messages.get('seq')).toBe('bigint');
    expect(messages.get('message_type')).toBe('character varying(20)');
    expect(messages.get('client_message_id')).toBe('character varying(64)');
    expect(messages.get('media_url')).toBe('text');
    const indexes = await indexesOf('messages');
    expect(indexes.get('idx_messages_conversation_id')).toContain('(conversation_id, seq)');
    expect(indexes.get('idx_messages_created_at')).toContain('(created_at DESC)');
    expect(
      (await indexesOf('conversation_participants')).get('idx_conversation_participants_user'),
    ).toContain('(participant_id)');
  });

  it('says what it has applied and what a migration itself says, and nothing else', async () => {
    await sql`CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'`;
    await writeFile(
      join(directory, '9999_told.sql'),
      `DROP TABLE IF EXISTS nothing_of_it; DO $$ BEGIN RAISE NOTICE 'to be told'; END $$`,
    );
    const said: string[] = [];
    const log = (line: string) => void said.push(line);
    await migrateWithin({ databaseUrl: db.url, directory, log }, MIGRATE_LIMITS);
    const others = said.filter((line) => !line.startsWith('applied migration '));
    expect(others.at(-1)).toBe('to be told');
    expect(others.join()).not.toContain('skipping');
  });

  it('does nothing the second time', async () => {
    await run();
    expect(await run()).toEqual({ applied: [] });
  });

  it('finds its files without being told where', async () => {
    const { applied } = await migrate({ databaseUrl: db.url });
    expect(applied).toEqual((await readdir(sqlDirectory)).sort());
  });

  it('applies each file once when ten nodes start at once', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => run()));
    const names = (await readdir(directory)).sort();
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(names);
    // One of them did all of it: the others had to wait for the lock.
    expect(results.filter(({ applied }) => applied.length > 0)).toHaveLength(1);
  });

  it('generates ids where the extension is not to be had', async () => {
    // The function as a server without the extension gets it.
    await sql`CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'`;
    await run();
    const [row] = await sql`INSERT INTO messaging.conversations DEFAULT VALUES RETURNING id`;
    expect(row?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await sql`SELECT FROM pg_extension WHERE extname = 'uuid-ossp'`).toHaveLength(0);
  });
});

describe('refuses with one clear error and keeps nothing', () => {
  it('a file that changed after it was applied', async () => {
    await run();
    await writeFile(join(directory, '0001_given_tables.sql'), 'SELECT 1;');
    await expect(run()).rejects.toThrow(/0001_given_tables\.sql was changed after/);
  });

  it('but not line ends of another system', async () => {
    await run();
    const path = join(directory, '0001_given_tables.sql');
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('\n', '\r\n'));
    expect(await run()).toEqual({ applied: [] });
  });

  it('a database that a newer version has migrated', async () => {
    await writeFile(join(directory, '9000_future.sql'), 'SELECT 1;');
    await run();
    await rm(join(directory, '9000_future.sql'));
    await expect(run()).rejects.toThrow(/9000_future\.sql, which this version does not know/);
  });

  it('a failing file, of which nothing stays', async () => {
    await writeFile(join(directory, '9000_bad.sql'), 'CREATE TABLE messaging.half (); SELECT 1/0;');
    await expect(run()).rejects.toThrow(/9000_bad\.sql failed.*division by zero/);
    const [row] = await sql`SELECT to_regclass('messaging.half') AS half`;
    expect(row?.half).toBeNull();
    await rm(join(directory, '9000_bad.sql'));
    expect(await run()).toEqual({ applied: [] });
  });

  it('two files with one number', async () => {
    await writeFile(join(directory, '0001_again.sql'), 'SELECT 1;');
    await expect(run()).rejects.toThrow(/0001_given_tables\.sql is not a migration/);
  });

  it('a users table no foreign key can refer to', async () => {
    await sql`CREATE SCHEMA auth`;
    await sql`CREATE TABLE auth.users (id uuid, name text)`;
    await expect(run()).rejects.toThrow(/auth\.users exists but has no column "id" of type uuid/);
  });

  it('a users table without names', async () => {
    await sql`CREATE SCHEMA auth`;
    await sql`CREATE TABLE auth.users (id uuid PRIMARY KEY, email text)`;
    await expect(run()).rejects.toThrow(/auth\.users exists but has no column "name"/);
  });

  it('to wait for another migration longer than the lock timeout', async () => {
    const holder = await sql.reserve();
    try {
      await holder`SELECT pg_advisory_lock(${MIGRATION_LOCK_KEY}::bigint)`;
      await expect(run({ lockTimeoutMs: 100 })).rejects.toThrow(/has been migrating this database/);
    } finally {
      await holder`SELECT pg_advisory_unlock_all()`;
      holder.release();
    }
    // Nothing was recorded by the one that gave up.
    await waitFor(async () => (await run()).applied.length > 0, { what: 'the lock to be free' });
  });
});

it('a server that accepts and closes without a word is given up in one sentence', async () => {
  let connections = 0;
  const mute = createServer((socket) => {
    connections += 1;
    socket.resume().end();
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const address = mute.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    const databaseUrl = `postgres://postgres@127.0.0.1:${port}/x`;
    await expect(
      migrateWithin({ databaseUrl }, { ...MIGRATE_LIMITS, connectTimeoutMs: 500 }),
    ).rejects.toThrow('PostgreSQL cannot be used (DATABASE_URL): no answer within 0.5 s');
    const then = connections;
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Nobody goes on connecting.
    expect(connections - then).toBeLessThan(2);
  } finally {
    mute.close();
  }
});
