/**
 * Read and delivered cursors. A cursor never moves back nor past the last message; reading implies
 * having received. With the cursor, in the same statement, the statuses it newly covers move (sql/0014).
 */
import { MAX_STATUS_SPAN } from '../bounds/store.ts';
import type { CursorOutcome, CursorRequest } from '../chat/ports.ts';
import type { Database, Sql } from './database.ts';
import { RowLocked } from './lock-waits.ts';

/** Moves the read cursor; `marked` counts the messages of others it newly covers. */
export function markRead(database: Database, request: CursorRequest): Promise<CursorOutcome> {
  return mark(database, 'read', request);
}

/** Moves the delivered cursor; `marked` counts the messages of others it newly covers. */
export function markDelivered(database: Database, request: CursorRequest): Promise<CursorOutcome> {
  return mark(database, 'delivered', request);
}

type Cursor = 'read' | 'delivered';

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

/** What `move_cursor` says (sql/0014). */
type CursorMove =
  | { outcome: 'moved' | 'unchanged'; seq: number; target: number; marked: number }
  | { outcome: Refusal | 'locked' };

type Refusal = 'no_conversation' | 'not_a_participant';

type Step =
  | { refused: Refusal }
  | { moved: boolean; seq: number; targetSeq: number; marked: number };

function markStep(database: Database, cursor: Cursor, request: CursorRequest): Promise<Step> {
  return database.statement<Step>(async (sql, { mayBeDone, waits }) => {
    const move = await moveCursor(sql, cursor, request, waits);
    if (move === undefined || move.outcome === 'locked') throw new RowLocked();
    if (move.outcome !== 'moved' && move.outcome !== 'unchanged') return { refused: move.outcome };
    const { outcome, seq, target, marked } = move;
    // An earlier attempt may have moved it and lost the reply: say so again. One that stands at 0
    // nobody has ever moved, and there is nothing to say of it.
    const moved = outcome === 'moved' || (mayBeDone && seq > 0);
    return { moved, seq, targetSeq: target, marked };
  }, request.conversationId);
}

/** One call of `move_cursor`. @param waits whether a locked conversation is waited for, for LOCK_WAIT_MS */
export async function moveCursor(
  sql: Sql,
  cursor: Cursor,
  { conversationId, userId, upToSeq }: CursorRequest,
  waits: boolean,
): Promise<CursorMove | undefined> {
  // Flags go as numbers, as those of `appendMessages`.
  const [move] = await sql<CursorMove[]>`
    SELECT * FROM messaging.move_cursor(${conversationId}::uuid, ${userId}::uuid,
      ${Number(cursor === 'read')}::int = 1, ${upToSeq}::bigint, ${MAX_STATUS_SPAN}::bigint,
      ${Number(waits)}::int = 1)`;
  return move;
}
