// A migrated database whose messages deploy/partitioned.sql has put into partitions.

import { readFile } from 'node:fs/promises';
import type postgres from 'postgres';

export const PARTITIONS = 8;

const SCRIPT = new URL('../../deploy/partitioned.sql', import.meta.url);

/** Runs the script as its users do: the number of partitions is a setting of the session. */
export async function partition(sql: postgres.Sql, partitions = PARTITIONS): Promise<void> {
  const script = await readFile(SCRIPT, 'utf8');
  const connection = await sql.reserve();
  try {
    await connection`SELECT set_config('messaging.partitions', ${String(partitions)}, false)`;
    await connection.unsafe(script);
  } finally {
    connection.release();
  }
}

/** The partition that holds a conversation's messages; all of them must be in the one. */
export async function partitionOf(sql: postgres.Sql, conversationId: string): Promise<string> {
  const rows = await sql<{ name: string }[]>`
    SELECT DISTINCT relname AS name FROM messaging.messages m JOIN pg_class c ON c.oid = m.tableoid
    WHERE conversation_id = ${conversationId}`;
  if (rows.length !== 1) throw new Error(`${rows.length} partitions hold ${conversationId}`);
  return rows[0]?.name ?? '';
}
