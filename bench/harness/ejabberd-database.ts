/** The database of ejabberd: its own tables, an account for everybody, and what is in its archive. */
import type postgres from 'postgres';
import type { Room } from '../load/plan.ts';
import { XMPP_PASSWORD } from '../load/xmpp-client.ts';
import { type BenchDatabase, createDatabase } from './database.ts';
import type { Ejabberd } from './ejabberd.ts';

/** Tables as the package has them, and in `users` the members of all rooms. */
export async function createEjabberdDatabase(
  serverUrl: string,
  { schema }: Ejabberd,
  rooms: readonly Room[],
): Promise<BenchDatabase> {
  const database = await createDatabase(serverUrl, null);
  const { sql, drop } = database;
  try {
    await sql.unsafe(schema);
    const people = rooms.flatMap(({ members }) => members);
    await sql`INSERT INTO users (username, password)
      SELECT id, ${XMPP_PASSWORD} FROM unnest(${people}::text[]) AS id`;
    await sql`VACUUM ANALYZE`;
    return database;
  } catch (error) {
    await drop();
    throw error;
  }
}

/**
 * What is wrong with the archive after a run. Each message has two rows, the sender's and the
 * recipient's, told apart by whose is the address it is from; its text begins with a number that rises
 * with every message of a sender.
 *
 * @param acknowledged so many messages, neither more nor less, must be there
 */
export async function faultsInArchive(sql: postgres.Sql, acknowledged: number): Promise<string[]> {
  const [row] = await sql<{ sent: number; received: number; texts: number; disorder: number }[]>`
    WITH kept AS (
      SELECT username, txt, id, timestamp,
        position(' from=''' || username || '@' IN xml) > 0 AS is_sent FROM archive),
    ordered AS (
      SELECT is_sent, txt,
        lag(txt) OVER (PARTITION BY username, is_sent ORDER BY timestamp, id) >= txt AS is_late
      FROM kept)
    SELECT count(*) FILTER (WHERE is_sent)::int AS sent,
      count(*) FILTER (WHERE NOT is_sent)::int AS received,
      count(DISTINCT txt)::int AS texts,
      count(*) FILTER (WHERE is_late)::int AS disorder
    FROM ordered`;
  const { sent = 0, received = 0, texts = 0, disorder = 0 } = row ?? {};
  const notes: string[] = [];
  if (sent !== acknowledged || received !== acknowledged || texts !== acknowledged) {
    notes.push(
      `${acknowledged} were acknowledged, the archives hold ${sent} sent and ${received} received, ` +
        `${texts} of them different`,
    );
  }
  if (disorder > 0) notes.push(`${disorder} stand in an archive before one that was sent earlier`);
  return notes;
}
