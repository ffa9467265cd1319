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
import { isIncomplete, requireTriggers } from './triggers.ts';

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
      const { epoch, moved } = await database.query(async (sql) => {
        const [epochRows, rows] = await Promise.all([
          sql<{ epoch: string }[]>`SELECT messaging.epoch() AS epoch`,
          selectMoved(sql, known),
          requireTriggers(sql).catch((error: unknown) => {
            if (isIncomplete(error)) epochs?.heard(INCOMPLETE);
            throw error;
          }),
        ]);
        return { epoch: epochRows[0]?.epoch, moved: rows };
      });
      // Nothing is lost if the answer was made before the change: whoever listens asks again.
      if (epoch !== undefined) epochs?.heard(epoch);
      return moved;
    },
    readHead: head,
  };
}

async function selectMoved(sql: Sql, known: readonly ConversationHead[]): Promise<Moved> {
  const rows = await sql<(ConversationHead | { conversationId: CanonicalId; lastSeq: null })[]>`
    SELECT w.id AS "conversationId", c.last_seq AS "lastSeq", c.members_version AS "membersVersion"
    FROM unnest(
      ${known.map((head) => head.conversationId)}::uuid[],
      ${known.map((head) => head.lastSeq)}::int8[],
      ${known.map((head) => head.membersVersion)}::int8[]
    ) AS w (id, last_seq, members_version)
    LEFT JOIN messaging.conversations c ON c.id = w.id
    WHERE c.id IS NULL OR c.last_seq <> w.last_seq OR c.members_version <> w.members_version`;
  const moved: ConversationHead[] = [];
  const gone: CanonicalId[] = [];
  for (const row of rows) {
    if (row.lastSeq === null) gone.push(row.conversationId);
    else moved.push(row);
  }
  return { moved, gone };
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
