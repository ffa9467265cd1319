/**
 * Pages of one conversation's messages. A page is placed by seq, never by counting rows: `offset`
 * is turned into a seq, so a page costs the same at any depth. Membership, total and page come from
 * one statement: one round trip, one snapshot.
 */
import type { HistoryOutcome, HistoryRequest } from '../chat/ports.ts';
import { MAX_SEQ } from '../chat/schemas.ts';
import type { Database, Sql } from './database.ts';
import { type MessageRow, toMessage } from './rows.ts';

/** The message columns are all null in the single row of an empty page. */
type PageRow = { total: number; allowed: boolean } & (MessageRow | { id: null });

type Span = { offset: number; afterSeq: number; beforeSeq: number };

// `IS NOT DISTINCT FROM` is no index condition, so a participant is looked for among those of the
// conversation, 256 at most. With `=` the planner may look through all conversations of the person,
// when it has not heard yet how many those are.

/** A page in chronological order; `total` is the conversation's last seq. */
export async function readHistory(
  database: Database,
  request: HistoryRequest,
): Promise<HistoryOutcome> {
  const { place } = request;
  const span: Span = { offset: 0, afterSeq: 0, beforeSeq: MAX_SEQ, ...place };
  // From a lower edge a page goes up (also towards an upper one, as when filling a gap); else it
  // goes down from the newest that is allowed.
  const upwards = 'afterSeq' in place;
  const rows = await database.query((sql) =>
    upwards ? selectUpwards(sql, request, span) : selectDownwards(sql, request, span),
  );
  const [head] = rows;
  if (head === undefined) return { outcome: 'no_conversation' };
  if (!head.allowed) return { outcome: 'not_a_participant' };
  const messages = rows.filter((row) => row.id !== null).map(toMessage);
  if (!upwards) messages.reverse();
  return { outcome: 'page', messages, total: head.total };
}

function selectDownwards(
  sql: Sql,
  { conversationId, viewerId, limit }: HistoryRequest,
  span: Span,
) {
  return sql<PageRow[]>`
    SELECT c.last_seq AS total, a.allowed, c.id AS conversation_id,
      m.id, m.seq, m.sender_id, u.name AS sender_name, m.content, m.message_type, m.media_url,
      m.client_message_id, m.status, m.created_at
    FROM messaging.conversations c
    CROSS JOIN LATERAL (
      SELECT ${viewerId}::uuid IS NULL OR EXISTS (
        SELECT FROM messaging.conversation_participants p
        WHERE p.conversation_id = c.id AND p.participant_id IS NOT DISTINCT FROM ${viewerId}::uuid
      ) AS allowed
    ) a
    LEFT JOIN LATERAL (
      SELECT * FROM messaging.messages
      WHERE a.allowed AND conversation_id = c.id
        AND seq <= c.last_seq - ${span.offset}::bigint AND seq < ${span.beforeSeq}::bigint
      ORDER BY seq DESC LIMIT ${limit}::bigint
    ) m ON true
    LEFT JOIN auth.users u ON u.id = m.sender_id
    WHERE c.id = ${conversationId}::uuid
    ORDER BY m.seq DESC`;
}

function selectUpwards(sql: Sql, { conversationId, viewerId, limit }: HistoryRequest, span: Span) {
  return sql<PageRow[]>`
    SELECT c.last_seq AS total, a.allowed, c.id AS conversation_id,
      m.id, m.seq, m.sender_id, u.name AS sender_name, m.content, m.message_type, m.media_url,
      m.client_message_id, m.status, m.created_at
    FROM messaging.conversations c
    CROSS JOIN LATERAL (
      SELECT ${viewerId}::uuid IS NULL OR EXISTS (
        SELECT FROM messaging.conversation_participants p
        WHERE p.conversation_id = c.id AND p.participant_id IS NOT DISTINCT FROM ${viewerId}::uuid
      ) AS allowed
    ) a
    LEFT JOIN LATERAL (
      SELECT * FROM messaging.messages
      WHERE a.allowed AND conversation_id = c.id
        AND seq > ${span.afterSeq}::bigint AND seq < ${span.beforeSeq}::bigint
      ORDER BY seq LIMIT ${limit}::bigint
    ) m ON true
    LEFT JOIN auth.users u ON u.id = m.sender_id
    WHERE c.id = ${conversationId}::uuid
    ORDER BY m.seq`;
}
