/** Databases of the bench's own: migrated as the product does it, filled with people and rooms. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import postgres from 'postgres';
import { conversationId, userId } from '../load/ids.ts';
import type { Room } from '../load/plan.ts';
import type { Tree } from './tree.ts';

export interface BenchDatabase {
  url: string;
  sql: postgres.Sql;
  drop(): Promise<void>;
}

/** The shape of `src/store/migrate.ts` in any tree. */
interface MigrateModule {
  migrate(options: { databaseUrl: string }): Promise<unknown>;
}

let made = 0;

/**
 * @param serverUrl of a role that may create databases
 * @param template null: without tables
 */
export async function createDatabase(
  serverUrl: string,
  template: string | null,
): Promise<BenchDatabase> {
  await claimLife(serverUrl);
  made += 1;
  const name = `bench_${process.pid}_${made}`;
  await withServer(serverUrl, (admin) =>
    admin.unsafe(`CREATE DATABASE ${name}${template === null ? '' : ` TEMPLATE ${template}`}`),
  );
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  return {
    url: url.href,
    sql,
    async drop() {
      // An interrupted run may still be filling it.
      await sql.end({ timeout: 1 });
      await withServer(serverUrl, (admin) => admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}

/**
 * With the product's tables.
 *
 * @param forBaseline leaves out the product's triggers, which a baseline has no use for
 */
export async function createBenchDatabase(
  serverUrl: string,
  tree: Tree,
  forBaseline: boolean,
): Promise<BenchDatabase> {
  const database = await createDatabase(serverUrl, await migratedTemplate(serverUrl, tree));
  try {
    if (forBaseline) await dropTriggers(database.sql);
  } catch (error) {
    await database.drop();
    throw error;
  }
  return database;
}

/** First half of the advisory lock that says a process lives; the second is its id. */
export const LIFE = 0x62656e63;
let life: Promise<postgres.Sql> | null = null;

/**
 * Drops databases of benches whose process was killed before it could. A process holds a lock on the
 * server for as long as it lives, so this is right for those of other machines as well.
 */
export async function dropLeftovers(admin: postgres.Sql): Promise<void> {
  const found = await admin<{ name: string; pid: number }[]>`
    SELECT datname AS name, substring(datname FROM '^bench_([0-9]+)_')::int AS pid
    FROM pg_database WHERE datname ~ '^bench_[0-9]+_'`;
  for (const { name, pid } of found) {
    const [row] = await admin<{ dead: boolean }[]>`
      SELECT pg_try_advisory_lock(${LIFE}, ${pid}) AS dead`;
    if (row?.dead !== true) continue;
    await admin.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin`SELECT pg_advisory_unlock(${LIFE}, ${pid})`;
  }
}

/** Says on the server that this process lives, and clears up after those that no longer do. */
function claimLife(serverUrl: string): Promise<postgres.Sql> {
  life ??= claim();
  return life;

  async function claim(): Promise<postgres.Sql> {
    // One connection for good: the lock ends with it.
    const held = postgres(serverUrl, { max: 1, max_lifetime: null, onnotice: () => undefined });
    await dropLeftovers(held);
    await held`SELECT pg_advisory_lock(${LIFE}, ${process.pid})`;
    return held;
  }
}

const templates = new Map<Tree, { name: string; ready: Promise<string> }>();
let templatesMade = 0;

/** An empty database with the tree's tables, made once. */
function migratedTemplate(serverUrl: string, tree: Tree): Promise<string> {
  const known = templates.get(tree);
  if (known !== undefined) return known.ready;
  const name = `bench_${process.pid}_template_${templatesMade}`;
  templatesMade += 1;
  const ready = make();
  templates.set(tree, { name, ready });
  return ready;

  async function make(): Promise<string> {
    await claimLife(serverUrl);
    await withServer(serverUrl, (admin) => admin.unsafe(`CREATE DATABASE ${name}`));
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    const module: MigrateModule = await import(
      pathToFileURL(join(tree.directory, 'dist/store/migrate.js')).href
    );
    await module.migrate({ databaseUrl: url.href });
    return name;
  }
}

/** Drops what was kept for later runs; to be called when there are none. */
export async function dropTemplates(serverUrl: string): Promise<void> {
  const making = [...templates.values()];
  templates.clear();
  // One that could not be migrated was created all the same.
  await Promise.allSettled(making.map(({ ready }) => ready));
  for (const { name } of making) {
    await withServer(serverUrl, (admin) =>
      admin.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
    );
  }
  const held = life;
  life = null;
  await (await held)?.end();
}

async function dropTriggers(sql: postgres.Sql): Promise<void> {
  const triggers = await sql<{ name: string; table: string }[]>`
    SELECT tgname AS name, tgrelid::regclass::text AS table FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'messaging.%'`;
  for (const { name, table } of triggers) await sql.unsafe(`DROP TRIGGER ${name} ON ${table}`);
  await sql`ALTER TABLE messaging.conversation_participants ALTER COLUMN listed_at SET DEFAULT now()`;
}

async function withServer(
  url: string,
  use: (admin: postgres.Sql) => Promise<unknown>,
): Promise<void> {
  const admin = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await use(admin);
  } finally {
    await admin.end();
  }
}

/** Rooms of people who are in one room each. */
export function roomsOf(count: number, members: number): Room[] {
  return Array.from({ length: count }, (_, room) => ({
    conversationId: conversationId(room),
    members: Array.from({ length: members }, (_, member) => userId(room * members + member)),
  }));
}

/** Puts the rooms and their people into the database. */
export async function insertRooms(sql: postgres.Sql, rooms: readonly Room[]): Promise<void> {
  const seats = rooms.flatMap((room) =>
    room.members.map((member) => ({ conversation: room.conversationId, member })),
  );
  const people = [...new Set(seats.map(({ member }) => member))];
  await sql`INSERT INTO auth.users (id, name)
    SELECT id, 'Somebody' FROM unnest(${people}::uuid[]) AS id ON CONFLICT DO NOTHING`;
  await sql`INSERT INTO messaging.conversations (id)
    SELECT id FROM unnest(${rooms.map((room) => room.conversationId)}::uuid[]) AS id`;
  await sql`INSERT INTO messaging.conversation_participants
      (conversation_id, participant_id, listed_at)
    SELECT c, p, '2025-01-01' FROM unnest(${seats.map((seat) => seat.conversation)}::uuid[],
      ${seats.map((seat) => seat.member)}::uuid[]) AS x (c, p)`;
  await sql`VACUUM ANALYZE`;
}

/**
 * What is wrong with the table after a run: seqs with gaps or doubles, or another number of messages
 * than were acknowledged. Empty: nothing.
 *
 * @param inDoubt so many more may have been stored: their senders were told to try again
 */
export async function faultsInTable(
  sql: postgres.Sql,
  acknowledged: number,
  inDoubt = 0,
): Promise<string[]> {
  const [row] = await sql<{ stored: number; broken: number }[]>`
    WITH per AS (
      SELECT c.id, c.last_seq, count(m.id) AS n, count(DISTINCT m.seq) AS seqs,
        coalesce(max(m.seq), 0) AS top
      FROM messaging.conversations c
      LEFT JOIN messaging.messages m ON m.conversation_id = c.id GROUP BY c.id)
    SELECT sum(n)::int AS stored,
      count(*) FILTER (WHERE NOT (n = seqs AND n = top AND n = last_seq))::int AS broken
    FROM per`;
  const notes: string[] = [];
  const stored = row?.stored ?? 0;
  if (stored < acknowledged || stored > acknowledged + inDoubt) {
    notes.push(`${acknowledged} were acknowledged, the table holds ${stored}`);
  }
  if ((row?.broken ?? 0) > 0) notes.push(`${row?.broken} conversations have gaps or doubles`);
  return notes;
}
