/**
 * Read and delivered cursors. A cursor never moves back nor past the last message; reading implies
 * having received. With the cursor, in the same transaction, the statuses it newly covers move.
 */
import { MAX_STATUS_SPAN } from '../bounds/store.ts';
import type { CursorOutcome, CursorRequest } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Database, Sql } from './database.ts';
import { RowLocked } from './lock-waits.ts';
import { advanceStatuses, lockConversation, type Span } from './statuses.ts';
import { Unchanged } from './transaction.ts';

interface CursorRow {
  last_read_seq: number;
  last_delivered_seq: number;
}

/** One of the two cursors: what differs between them. */
interface Cursor {
  place(row: CursorRow): number;
  move(sql: Sql, request: CursorRequest, seq: number): PromiseLike<unknown>;
}

const readCursor: Cursor = {
  place: (row) => row.last_read_seq,
  move: (sql, { conversationId, userId }, seq) => sql`
    UPDATE messaging.conversation_participants
    SET last_read_seq = ${seq}::bigint,
      last_delivered_seq = greatest(last_delivered_seq, ${seq}::bigint)
    WHERE conversation_id = ${conversationId}::uuid AND participant_id = ${userId}::uuid`,
};

const deliveredCursor: Cursor = {
  place: (row) => row.last_delivered_seq,
  move: (sql, { conversationId, userId }, seq) => sql`
    UPDATE messaging.conversation_participants SET last_delivered_seq = ${seq}::bigint
    WHERE conversation_id = ${conversationId}::uuid AND participant_id = ${userId}::uuid`,
};

/** Moves the read cursor; `marked` counts the messages of others it newly covers. */
export function markRead(database: Database, request: CursorRequest): Promise<CursorOutcome> {
  return mark(database, readCursor, request);
}

/** Moves the delivered cursor; `marked` counts the messages of others it newly covers. */
export function markDelivered(database: Database, request: CursorRequest): Promise<CursorOutcome> {
  return mark(database, deliveredCursor, request);
}

/**
 * Moves a cursor in steps of at most MAX_STATUS_SPAN, each a transaction: whoever comes back after a million messages
 * neither blocks the conversation nor runs into the statement timeout. Every step leaves a true
 * state behind.
 */
async function mark(
  database: Database,
  cursor: Cursor,
  request: CursorRequest,
): Promise<CursorOutcome> {
  let marked = 0;
  let moved = false;
  // "Everything" is what there is at the first step: new messages must not keep this going.
  let upToSeq = request.upToSeq;
  for (;;) {
    const step = await markStep(database, cursor, { ...request, upToSeq });
    // Removed between two steps: the cursor is gone.
    if ('refused' in step) return { outcome: step.refused };
    marked += step.marked;
    moved ||= step.moved;
    upToSeq = step.targetSeq;
    if (step.seq >= upToSeq) {
      return { outcome: moved ? 'moved' : 'unchanged', seq: step.seq, marked };
    }
  }
}

type Step =
  | { refused: 'no_conversation' | 'not_a_participant' }
  | { moved: boolean; seq: number; targetSeq: number; marked: number };

function markStep(database: Database, cursor: Cursor, request: CursorRequest): Promise<Step> {
  const { conversationId, userId } = request;
  return database.transaction<Step>(async (sql, { mayBeDone, waits }) => {
    const [[conversation], [participant]] = await Promise.all([
      lockConversation(sql, conversationId, waits),
      sql<(CursorRow | { last_read_seq: null })[]>`
        SELECT p.last_read_seq, p.last_delivered_seq FROM messaging.conversations c
        LEFT JOIN messaging.conversation_participants p
          ON p.conversation_id = c.id AND p.participant_id = ${userId}::uuid
        WHERE c.id = ${conversationId}::uuid`,
    ]);
    if (participant === undefined) return new Unchanged({ refused: 'no_conversation' });
    // True of this moment, whoever holds the lock; a wait would tell that there is something to lock.
    if (participant.last_read_seq === null) return new Unchanged({ refused: 'not_a_participant' });
    if (conversation === undefined) throw new RowLocked();
    const fromSeq = cursor.place(participant);
    const targetSeq = Math.min(request.upToSeq ?? conversation.last_seq, conversation.last_seq);
    if (targetSeq <= fromSeq) {
      // An earlier attempt may have moved it and lost the reply: say so again. One that stands at 0
      // nobody has ever moved, and there is nothing to say of it.
      const moved = mayBeDone && fromSeq > 0;
      return new Unchanged({ moved, seq: fromSeq, targetSeq, marked: 0 });
    }
    const toSeq = Math.min(targetSeq, fromSeq + MAX_STATUS_SPAN);
    const span = { conversationId, fromSeq, toSeq };
    const [, , [count]] = await Promise.all([
      cursor.move(sql, request, toSeq),
      advanceStatuses(sql, span),
      countOfOthers(sql, userId, span),
    ]);
    return { moved: true, seq: toSeq, targetSeq, marked: count?.messages ?? 0 };
  }, conversationId);
}

function countOfOthers(sql: Sql, userId: CanonicalId, { conversationId, fromSeq, toSeq }: Span) {
  return sql<{ messages: number }[]>`
    SELECT count(*) AS messages FROM messaging.messages
    WHERE conversation_id = ${conversationId}::uuid
      AND seq > ${fromSeq}::bigint AND seq <= ${toSeq}::bigint AND sender_id <> ${userId}::uuid`;
}
