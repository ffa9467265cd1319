/**
 * Pages of one conversation's messages. A page is placed by seq, never by counting rows: `offset`
 * is turned into a seq, so a page costs the same at any depth. Membership, total and page come from
 * one statement: one snapshot. Pages asked for at the same time share it: waking PostgreSQL, and
 * being woken by it, costs more than a page does.
 */
import type { HistoryOutcome, HistoryRequest, Store } from '../chat/ports.ts';
import { MAX_SEQ } from '../chat/schemas.ts';
import { NIL_UUID } from '../shared/ids.ts';
import { createCoalescer } from './coalesce.ts';
import type { Database, Sql } from './database.ts';
import { type MessageColumns, messageColumns, senderNames, toMessages } from './message-columns.ts';
import { type AskForPiece, inPieces, isUpwards, type PieceLimits } from './page-pieces.ts';

export interface HistoryLimits extends PieceLimits {
  /** Most messages one query returns, a single larger page aside. */
  maxPageRows: number;
  /** Most queries for pages at once. */
  maxPagesInFlight: number;
  /** Most pages in line; more reject with ChatError('unavailable'). */
  maxWaitingPages: number;
  /** Longest time from a call to its answer; then it rejects with ChatError('unavailable'). */
  maxWaitMs: number;
}

interface PageRequest extends HistoryRequest {
  span: { offset: number; afterSeq: number; beforeSeq: number };
  /** Whether the page shares its query with nobody. */
  alone: boolean;
}

/** `ord` is the 1-based position of the question; there is no row where there is no conversation. */
type PageRow = { ord: number; total: number; allowed: boolean } & MessageColumns;

/** Returns the function that reads pages; they come together in as few queries as the limits allow. */
export function createHistory(database: Database, limits: HistoryLimits): Store['readHistory'] {
  const { maxPageRows, maxPagesInFlight, maxWaitingPages, maxWaitMs } = limits;
  const pages = (upwards: boolean) =>
    createCoalescer<PageRequest, HistoryOutcome>({
      maxBatch: maxPageRows,
      maxInFlight: maxPagesInFlight,
      // Somebody waits for each of them.
      paceMs: 0,
      maxWaiting: maxWaitingPages,
      maxWaitMs,
      weigh: ({ limit, alone }) => (alone ? maxPageRows : limit),
      run: async (requests) => {
        const rows = await database.query((sql) => selectPages(sql, requests, upwards));
        return toOutcomes(requests, rows, upwards);
      },
    });
  const downwards = pages(false);
  const upwards = pages(true);

  const ask: AskForPiece = async (request, alone) => {
    const { place } = request;
    const span = { offset: 0, afterSeq: 0, beforeSeq: MAX_SEQ, ...place };
    const question = { ...request, span, alone };
    return isUpwards(place) ? upwards(question) : downwards(question);
  };
  return inPieces(ask, limits);
}

function toOutcomes(
  requests: readonly PageRequest[],
  rows: readonly PageRow[],
  upwards: boolean,
): HistoryOutcome[] {
  const outcomes: HistoryOutcome[] = requests.map(() => ({ outcome: 'no_conversation' }));
  for (const row of rows) {
    const request = requests[row.ord - 1];
    if (request === undefined) continue;
    if (!row.allowed) outcomes[row.ord - 1] = { outcome: 'not_a_participant' };
    else {
      const messages = toMessages(request.conversationId, row);
      if (!upwards) messages.reverse();
      outcomes[row.ord - 1] = { outcome: 'page', messages, total: row.total };
    }
  }
  return outcomes;
}

/**
 * The questions as rows `q`, with their conversations `c` and whether the viewer is `allowed`.
 * `IS NOT DISTINCT FROM` is no index condition, so a participant is looked for among those of the
 * conversation, 256 at most. With `=` the planner may look through all conversations of the person,
 * when it has not heard yet how many those are.
 */
const questions = (sql: Sql, requests: readonly PageRequest[]) => sql`
  unnest(
    ${requests.map(({ conversationId }) => conversationId)}::uuid[],
    ${requests.map(({ viewerId }) => viewerId ?? NIL_UUID)}::uuid[],
    ${requests.map(({ viewerId }) => (viewerId === null ? 1 : 0))}::int4[],
    ${requests.map(({ span }) => span.offset)}::int8[],
    ${requests.map(({ span }) => span.afterSeq)}::int8[],
    ${requests.map(({ span }) => span.beforeSeq)}::int8[],
    ${requests.map(({ limit }) => limit)}::int8[]
  ) WITH ORDINALITY
    AS q (conversation_id, viewer_id, is_service, "offset", after_seq, before_seq, most, ord)
  JOIN messaging.conversations c ON c.id = q.conversation_id
  CROSS JOIN LATERAL (
    SELECT q.is_service = 1 OR EXISTS (
      SELECT FROM messaging.conversation_participants p
      WHERE p.conversation_id = c.id AND p.participant_id IS NOT DISTINCT FROM q.viewer_id
    ) AS allowed
  ) a`;

const downFrom = (sql: Sql) => sql`
  seq <= c.last_seq - q."offset" AND seq < q.before_seq ORDER BY seq DESC`;
const upFrom = (sql: Sql) => sql`
  seq > q.after_seq AND seq < q.before_seq ORDER BY seq`;

function selectPages(sql: Sql, requests: readonly PageRequest[], upwards: boolean) {
  return sql<PageRow[]>`
    SELECT q.ord, c.last_seq AS total, a.allowed, page.*, ${senderNames(sql)}
    FROM ${questions(sql, requests)}
    CROSS JOIN LATERAL (
      SELECT ${messageColumns(sql)} FROM (
        SELECT * FROM messaging.messages
        WHERE a.allowed AND conversation_id = c.id
          AND ${upwards ? upFrom(sql) : downFrom(sql)} LIMIT q.most
      ) m
    ) page`;
}
