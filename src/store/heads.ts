/**
 * Where conversations stand, for a node that believes to know: compared for *different*, because
 * PostgreSQL may have gone back (a standby took over, a backup was restored).
 */
import type { ConversationHead, HeadView, KnownHead, Moved, Store } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { createCoalescer } from './coalesce.ts';
import type { Database, Sql } from './database.ts';
import type { DeliveryReadLimits } from './delivery-reads.ts';
import { type Epochs, INCOMPLETE } from './epoch.ts';
import { firing, isIncomplete, requireAll, requireTriggers } from './triggers.ts';

export type HeadReads = Pick<Store, 'readMoved' | 'readHead'>;

/** The reads of one process. @param epochs told which database answered */
export function createHeadReads(
  database: Database,
  epochs: Epochs | undefined,
  { maxBatch, maxInFlight, paceMs, maxWaiting, maxWaitMs }: DeliveryReadLimits,
): HeadReads {
  const head = createCoalescer<KnownHead, HeadView | null>({
    maxBatch,
    maxInFlight,
    paceMs,
    maxWaiting,
    maxWaitMs,
    run: (known) => database.query((sql) => selectViews(sql, known)),
  });
  return {
    async readMoved(known) {
      try {
        const { epoch, moved } = await database.query((sql) => selectMoved(sql, known));
        // Nothing is lost if the answer was made before the change: whoever listens asks again.
        epochs?.heard(epoch);
        return moved;
      } catch (error) {
        if (isIncomplete(error)) epochs?.heard(INCOMPLETE);
        throw error;
      }
    },
    readHead: head,
  };
}

/** @throws DatabaseUnavailable `incomplete` while a dump is being restored */
async function selectMoved(
  sql: Sql,
  known: readonly ConversationHead[],
): Promise<{ epoch: string; moved: Moved }> {
  // One statement and one answer, also where nothing has moved: an idle process wakes up once for it.
  const rows = await sql<
    ({ epoch: string; triggers: string[] } & (
      | ConversationHead
      | { conversationId: CanonicalId; lastSeq: null }
      | { conversationId: null }
    ))[]
  >`
    SELECT now.epoch, now.triggers, w.id AS "conversationId", w."lastSeq", w."membersVersion"
    FROM (SELECT messaging.epoch() AS epoch, ARRAY(${firing(sql)}) AS triggers) now
    LEFT JOIN (
      SELECT w.id, c.last_seq AS "lastSeq", c.members_version AS "membersVersion"
      FROM unnest(
        ${known.map((head) => head.conversationId)}::uuid[],
        ${known.map((head) => head.lastSeq)}::int8[],
        ${known.map((head) => head.membersVersion)}::int8[]
      ) AS w (id, last_seq, members_version)
      LEFT JOIN messaging.conversations c ON c.id = w.id
      WHERE c.id IS NULL OR c.last_seq <> w.last_seq OR c.members_version <> w.members_version
    ) w ON TRUE`.catch(async (error: unknown) => {
    // What it asks of may not be there yet.
    await requireTriggers(sql);
    throw error;
  });
  const moved: ConversationHead[] = [];
  const gone: CanonicalId[] = [];
  for (const { epoch: _, triggers: __, ...row } of rows) {
    if (row.conversationId === null) continue;
    if (row.lastSeq === null) gone.push(row.conversationId);
    else moved.push(row);
  }
  const [first] = rows;
  if (first === undefined) throw new Error('PostgreSQL answers nothing about itself');
  requireAll(first.triggers);
  return { epoch: first.epoch, moved: { moved, gone } };
}

async function selectViews(sql: Sql, known: KnownHead[]): Promise<(HeadView | null)[]> {
  // A row that somebody deleted by hand says nothing; another message in its place does.
  const rows = await sql<(HeadView & { ord: number })[]>`
    SELECT w.ord, c.last_seq AS "lastSeq", c.members_version AS "membersVersion",
      (
        SELECT m.id FROM messaging.messages m
        WHERE m.conversation_id = c.id AND m.seq = c.last_seq
      ) AS "lastMessageId",
      c.last_seq >= w.seq AND NOT EXISTS (
        SELECT FROM messaging.messages m
        WHERE m.conversation_id = c.id AND m.seq = w.seq AND m.id <> w.message_id
      ) AS "goesOn"
    FROM unnest(
      ${known.map(({ conversationId }) => conversationId)}::uuid[],
      ${known.map(({ seq }) => seq)}::int8[],
      ${known.map(({ messageId }) => messageId)}::uuid[]
    ) WITH ORDINALITY AS w (conversation_id, seq, message_id, ord)
    JOIN messaging.conversations c ON c.id = w.conversation_id`;
  const answers: (HeadView | null)[] = known.map(() => null);
  for (const { ord, ...view } of rows) answers[ord - 1] = view;
  return answers;
}
