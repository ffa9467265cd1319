/**
 * How many messages of others are unread, by a look that costs the same whatever there is: one's own
 * messages, which are passed over, count towards the look as well.
 */
import { MAX_EXACT_UNREAD, MAX_UNREAD_LOOK } from '../bounds/store.ts';
import type { Unread, UnreadRequest } from '../chat/ports.ts';
import type { Database, Sql } from './database.ts';

type Fragment = ReturnType<Sql>;

/** A look's conversation, person and positions, each as SQL. */
interface Look {
  conversationId: Fragment;
  userId: Fragment;
  afterSeq: Fragment;
  upToSeq: Fragment;
}

/** A scalar subquery: messages of others within a look, at most one more than is counted exactly. */
export const lookForUnread = (sql: Sql, { conversationId, userId, afterSeq, upToSeq }: Look) => sql`
  (
    SELECT count(*) FROM (
      SELECT FROM messaging.messages x
      WHERE x.conversation_id = ${conversationId} AND x.seq > ${afterSeq}
        AND x.seq <= least(${upToSeq}, ${afterSeq} + ${MAX_UNREAD_LOOK}::int8)
        AND x.sender_id <> ${userId}
      LIMIT ${MAX_EXACT_UNREAD + 1}::int8
    ) look
  )`;

/**
 * What a look says of the positions after `afterSeq` up to `lastSeq`. Where it stopped counting, or
 * did not come to the end, the number of positions stands for it.
 *
 * @param seen what `lookForUnread` gave
 */
export function toUnread(seen: number, afterSeq: number, lastSeq: number): Unread {
  // A restored backup may have taken the messages and left the cursor.
  const positions = Math.max(0, lastSeq - afterSeq);
  const exact = seen <= MAX_EXACT_UNREAD && positions <= MAX_UNREAD_LOOK;
  return { count: exact ? seen : positions, exact };
}

/** Counts what is unread by one look that shares its query with nobody. */
export async function readUnread(
  database: Database,
  { conversationId, userId, lastReadSeq, lastSeq }: UnreadRequest,
): Promise<Unread> {
  const [row] = await database.query(
    (sql) => sql<{ seen: number }[]>`
      SELECT ${lookForUnread(sql, {
        conversationId: sql`${conversationId}::uuid`,
        userId: sql`${userId}::uuid`,
        afterSeq: sql`${lastReadSeq}::int8`,
        upToSeq: sql`${lastSeq}::int8`,
      })} AS seen`,
  );
  return toUnread(row?.seen ?? 0, lastReadSeq, lastSeq);
}
