// Tables that somebody else holds while a release is rolled out: the nodes that serve go on.

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MIGRATE_LIMITS } from '../../src/bounds/store.ts';
import { migrateWithin, SQL_DIRECTORY } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';
import { type Stranger, stranger } from './stranger.ts';
import { draft, type Node, newRoom, openNode } from './writer-setting.ts';

const FILE = '9000_reference.sql';

let db: TestDatabase;
let directory: string;
let node: Node;
let holder: Stranger | null;
let said: string[];

beforeEach(async () => {
  db = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'messaging-sql-'));
  await cp(SQL_DIRECTORY, directory, { recursive: true });
  // A reference locks the table it refers to against every writer.
  await writeFile(
    join(directory, FILE),
    `CREATE TABLE messaging.notes (
      conversation_id UUID REFERENCES messaging.conversations(id), note TEXT);`,
  );
  node = openNode(db.url);
  const { id } = await newRoom(db.sql);
  holder = await stranger(
    db.url,
    (sql) => sql`UPDATE messaging.conversations SET created_at = created_at WHERE id = ${id}`,
  );
  said = [];
});

afterEach(async () => {
  await letGo();
  await node.writer.drain(1_000);
  await node.database.close(1_000);
  await db.drop();
  await rm(directory, { recursive: true, force: true });
});

async function letGo(): Promise<void> {
  await holder?.letGo();
  holder = null;
}

const run = (limits: { lockTimeoutMs?: number; lockWaitMs: number; lockPauseMs: number }) =>
  migrateWithin(
    { databaseUrl: db.url, directory, log: (line) => void said.push(line) },
    { ...MIGRATE_LIMITS, ...limits },
  );

async function standsInLine(): Promise<boolean> {
  const rows = await db.sql`
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'messaging-migrate'
      AND wait_event_type = 'Lock'`;
  return rows.length > 0;
}

it('messages are stored while a migration waits for a table, and it gets through in the end', async () => {
  const room = await newRoom(db.sql);
  const migrating = run({ lockWaitMs: 300, lockPauseMs: 1_000 });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await waitFor(standsInLine, { what: 'the migration to stand in line', intervalMs: 2 });
    expect(await node.writer.append(draft(room))).toMatchObject({ outcome: 'stored' });
  }
  await letGo();
  expect(await migrating).toEqual({ applied: [FILE] });
  expect(said).toEqual([
    `migration ${FILE} waits for what another session holds`,
    `applied migration ${FILE}`,
  ]);
});

it('it gives up when it has waited for too long, and keeps nothing', async () => {
  await expect(run({ lockTimeoutMs: 200, lockWaitMs: 50, lockPauseMs: 50 })).rejects.toThrow(
    /9000_reference\.sql failed, nothing of it was kept: .*lock timeout/,
  );
  const [table] = await db.sql`SELECT to_regclass('messaging.notes') AS name`;
  expect(table?.name).toBeNull();
});
