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

/** Moves the statuses of a span forward to what the cursors say now (sql/0014). */
export function advanceStatuses(sql: Sql, { conversationId, fromSeq, toSeq }: Span) {
  return sql`
    SELECT messaging.advance_statuses(${conversationId}::uuid, ${fromSeq}::bigint, ${toSeq}::bigint)`;
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
