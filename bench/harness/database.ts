/** Databases of the bench's own: migrated as the product does it, filled with people and rooms. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import postgres from 'postgres';
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
 * @param forPeer leaves out the product's triggers, which a peer has no use for
 */
export async function createBenchDatabase(
  serverUrl: string,
  tree: Tree,
  forPeer: boolean,
): Promise<BenchDatabase> {
  const template = await migratedTemplate(serverUrl, tree);
  made += 1;
  const name = `bench_${process.pid}_${made}`;
  await withServer(serverUrl, (admin) =>
    admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template}`),
  );
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  if (forPeer) await dropTriggers(sql);
  return {
    url: url.href,
    sql,
    async drop() {
      await sql.end();
      await withServer(serverUrl, (admin) => admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}

const templates = new Map<Tree, Promise<string>>();

/** An empty database with the tree's tables, made once. */
function migratedTemplate(serverUrl: string, tree: Tree): Promise<string> {
  const known = templates.get(tree);
  if (known !== undefined) return known;
  const name = `bench_${process.pid}_template_${templates.size}`;
  const making = make();
  templates.set(tree, making);
  return making;

  async function make(): Promise<string> {
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
  const made = await Promise.allSettled(templates.values());
  templates.clear();
  for (const result of made) {
    if (result.status === 'rejected') continue;
    await withServer(serverUrl, (admin) =>
      admin.unsafe(`DROP DATABASE IF EXISTS ${result.value} WITH (FORCE)`),
    );
  }
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

/** The id of the bench's n-th user or conversation; the same in every database. */
export const userId = (n: number): string =>
  `a0000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
export const conversationId = (n: number): string =>
  `c0000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

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
 */
export async function faultsInTable(sql: postgres.Sql, acknowledged: number): Promise<string[]> {
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
  if (row?.stored !== acknowledged) {
    notes.push(`${acknowledged} were acknowledged, the table holds ${row?.stored}`);
  }
  if ((row?.broken ?? 0) > 0) notes.push(`${row?.broken} conversations have gaps or doubles`);
  return notes;
}
