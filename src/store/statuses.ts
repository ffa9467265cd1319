/**
 * Keeps `messages.status` true to the participants' cursors: `read` when every participant but the
 * sender has read the message, `delivered` when every one of them has received it. It only moves
 * forward, and only the messages a change newly covers are touched, never the whole conversation.
 *
 * Callers hold the conversation's row lock: two cursors moving at once would each see the other
 * where it was, and a message both cover would be left behind.
 */

import { MAX_STATUS_SPAN } from '../bounds/store.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Database, Sql } from './database.ts';

/** A stretch of a conversation's messages. */
export interface Span {
  conversationId: CanonicalId;
  /** Exclusive. */
  fromSeq: number;
  /** Inclusive. */
  toSeq: number;
}

/**
 * Moves the statuses of a span forward to what the cursors say now.
 *
 * Of all cursors, a message is held back by the lowest that is not its sender's own: the second
 * lowest for the sender who holds the lowest, the lowest for everyone else. Nobody else there: null,
 * and the message stays as it is.
 */
export function advanceStatuses(sql: Sql, { conversationId, fromSeq, toSeq }: Span) {
  return sql`
    WITH lowest AS (
      SELECT
        array_agg(participant_id ORDER BY last_read_seq, participant_id) AS readers,
        array_agg(last_read_seq ORDER BY last_read_seq, participant_id) AS reads,
        array_agg(participant_id ORDER BY last_delivered_seq, participant_id) AS receivers,
        array_agg(last_delivered_seq ORDER BY last_delivered_seq, participant_id) AS deliveries
      FROM messaging.conversation_participants WHERE conversation_id = ${conversationId}::uuid
    ), bounds AS (
      SELECT readers[1] AS reader, reads[1] AS read_1, reads[2] AS read_2,
        receivers[1] AS receiver, deliveries[1] AS delivered_1, deliveries[2] AS delivered_2
      FROM lowest
    )
    UPDATE messaging.messages m
    SET status = CASE
      WHEN m.seq <= CASE WHEN m.sender_id = b.reader THEN b.read_2 ELSE b.read_1 END THEN 'read'
      ELSE 'delivered' END
    FROM bounds b
    WHERE m.conversation_id = ${conversationId}::uuid
      AND m.seq > ${fromSeq}::bigint AND m.seq <= ${toSeq}::bigint
      AND m.seq <= (SELECT greatest(read_1, read_2, delivered_1, delivered_2) FROM bounds)
      AND CASE
        WHEN m.seq <= CASE WHEN m.sender_id = b.reader THEN b.read_2 ELSE b.read_1 END
          THEN m.status IS DISTINCT FROM 'read'
        WHEN m.seq <= CASE WHEN m.sender_id = b.receiver THEN b.delivered_2 ELSE b.delivered_1 END
          THEN m.status IS NULL OR m.status NOT IN ('delivered', 'read')
        ELSE false END`;
}

/** Advances a span of any length, one transaction for each MAX_STATUS_SPAN, between which others work. */
export async function advanceInSteps(database: Database, span: Span): Promise<void> {
  for (let fromSeq = span.fromSeq; fromSeq < span.toSeq; fromSeq += MAX_STATUS_SPAN) {
    const toSeq = Math.min(span.toSeq, fromSeq + MAX_STATUS_SPAN);
    await database.transaction(
      (sql) =>
        Promise.all([
          lockConversation(sql, span.conversationId, true),
          advanceStatuses(sql, { ...span, fromSeq, toSeq }),
        ]),
      span.conversationId,
    );
  }
}

/**
 * Takes the lock that orders everything within a conversation. The writer takes the same one, first
 * of all; it leaves foreign-key checks of others alone (which FOR UPDATE would not). No row: there is
 * no such conversation, or it is locked and `waits` is false. What must see the state after the wait
 * belongs into a later statement.
 */
export function lockConversation(sql: Sql, conversationId: CanonicalId, waits: boolean) {
  return sql<{ id: string; last_seq: number; members_version: number }[]>`
    SELECT id, last_seq, members_version FROM messaging.conversations
    WHERE id = ${conversationId}::uuid FOR NO KEY UPDATE ${waits ? sql`` : sql`SKIP LOCKED`}`;
}
