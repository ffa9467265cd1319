/** Rows that abusers need. */
import type postgres from 'postgres';
import { abusedId, abuserId } from './abuser.ts';

/** People of the abuser's own, from the first on. */
export async function addPeople(sql: postgres.Sql, ids: readonly string[]): Promise<void> {
  await sql`INSERT INTO auth.users (id, name)
    SELECT id, 'Somebody' FROM unnest(${ids}::uuid[]) AS id ON CONFLICT DO NOTHING`;
}

/** Puts so many messages of somebody else into the abuser's conversation, none of them read. */
export async function addMessages(sql: postgres.Sql, count: number): Promise<number> {
  await addPeople(sql, [abuserId(1)]);
  await sql`INSERT INTO messaging.messages (sender_id, conversation_id, content, created_at, seq)
    SELECT ${abuserId(1)}::uuid, ${abusedId()}::uuid, 'Are you there?',
      timestamp '2025-01-01' + n * interval '1 second', n
    FROM generate_series(1, ${count}::int) n`;
  await sql`UPDATE messaging.conversations
    SET last_seq = ${count}, last_message_at = '2025-06-01' WHERE id = ${abusedId()}`;
  await sql`ANALYZE messaging.messages`;
  return count;
}
