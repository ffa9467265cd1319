/** A database with one long conversation, and users with few and with many conversations. */
import type postgres from 'postgres';
import { conversationId, userId } from '../load/ids.ts';

/** People of the long conversation: 0 … 9. */
const PEOPLE = 1_000;
export const READER = userId(0);
export const LONG = conversationId(0xffff);
/** The user whose list has so many conversations. */
export const listUser = (size: number): string => userId(0x100000 + size);

/** How many messages the long conversation has. */
export async function countLong(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ stored: number }[]>`
    SELECT count(*)::int AS stored FROM messaging.messages WHERE conversation_id = ${LONG}`;
  return row?.stored ?? 0;
}

/** How many conversations there are. */
export async function countConversations(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ stored: number }[]>`
    SELECT count(*)::int AS stored FROM messaging.conversations`;
  return row?.stored ?? 0;
}

/** @param messages of the long conversation */
export async function fillDeep(
  sql: postgres.Sql,
  messages: number,
  listSizes: readonly number[],
): Promise<void> {
  const people = Array.from({ length: PEOPLE }, (_, n) => userId(n));
  const ids = [...people, ...listSizes.map(listUser)];
  await sql`INSERT INTO auth.users (id, name)
    SELECT id, 'Somebody' FROM unnest(${ids}::uuid[]) AS id`;
  const base = userId(0).slice(0, -12);
  await sql`INSERT INTO messaging.conversations (id, last_seq, last_message_at)
    VALUES (${LONG}, ${messages}, '2025-06-01')`;
  await sql`INSERT INTO messaging.conversation_participants (conversation_id, participant_id, listed_at)
    SELECT ${LONG}::uuid, id, '2025-06-01' FROM unnest(${people.slice(0, 10)}::uuid[]) AS id`;
  await sql`INSERT INTO messaging.messages (id, sender_id, conversation_id, content, created_at, seq)
    SELECT md5('long' || n)::uuid, (${base} || lpad(to_hex(n % 10), 12, '0'))::uuid, ${LONG}::uuid,
      'message ' || n || ': when can we meet, and where?',
      timestamp '2025-01-01' + n * interval '1 second', n
    FROM generate_series(1, ${messages}::int) n`;
  for (const size of listSizes) {
    const user = listUser(size);
    // Times in an order unlike that of the ids; five messages each, the last two unread.
    await sql`INSERT INTO messaging.conversations (id, last_seq, last_message_at)
      SELECT md5(${user} || n)::uuid, 5, timestamp '2025-01-01' + (n * 7919 % 5003) * interval '7 minutes'
      FROM generate_series(1, ${size}::int) n`;
    await sql`INSERT INTO messaging.conversation_participants
        (conversation_id, participant_id, last_read_seq, last_delivered_seq, listed_at)
      SELECT md5(${user} || n)::uuid, p, 3, 3,
        timestamp '2025-01-01' + (n * 7919 % 5003) * interval '7 minutes'
      FROM generate_series(1, ${size}::int) n,
        LATERAL (VALUES (${user}::uuid),
          ((${base} || lpad(to_hex(n % ${PEOPLE}), 12, '0'))::uuid)) AS x (p)`;
    await sql`INSERT INTO messaging.messages (sender_id, conversation_id, content, created_at, seq)
      SELECT (${base} || lpad(to_hex(n % ${PEOPLE}), 12, '0'))::uuid, md5(${user} || n)::uuid,
        'hello ' || s, timestamp '2025-01-01' + (n * 7919 % 5003) * interval '7 minutes', s
      FROM generate_series(1, ${size}::int) n, generate_series(1, 5) s`;
  }
  await sql`VACUUM ANALYZE`;
}
