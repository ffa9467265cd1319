/**
 * What delivering asks of the database: standings, heads, ranges, members. All of it coalesced, so
 * that five thousand sockets that reconnect at once are a handful of queries, and all of it in one
 * statement each, so that every answer is one snapshot.
 */
import { LOST_FUTURE_LIFE_S, MAX_SHARED_LOOK } from '../bounds/store.ts';
import type {
  ConversationHead,
  Members,
  MessageRange,
  RangeRequest,
  Standing,
  Store,
} from '../chat/ports.ts';
import { type CanonicalId, NIL_UUID } from '../shared/ids.ts';
import { createCoalescer } from './coalesce.ts';
import type { Database, Sql } from './database.ts';
import { type MessageColumns, messageColumns, senderNames, toMessages } from './message-columns.ts';
import { requireTriggers } from './triggers.ts';
import { lookForUnread, readUnread, toUnread } from './unread.ts';

export interface DeliveryReadLimits {
  /** Most participants, heads or members asked for in one query. */
  maxBatch: number;
  /** Most messages one query for ranges returns, a single larger range aside. */
  maxRangeRows: number;
  /** Most queries of one kind at once. */
  maxInFlight: number;
  /** Shortest time between the starts of two queries of one kind. */
  paceMs: number;
  /** Most calls of one kind in line; more reject with ChatError('unavailable'). */
  maxWaiting: number;
  /** Longest time from a call to its answer; then it rejects with ChatError('unavailable'). */
  maxWaitMs: number;
}

export type DeliveryReads = Pick<
  Store,
  'readStanding' | 'readUnread' | 'readParticipant' | 'readHeads' | 'readRange' | 'readMembers'
>;

interface Pair {
  conversationId: CanonicalId;
  userId: CanonicalId;
}

/** Rows carry `ord`, the 1-based position of the question they answer. */
interface Answering {
  ord: number;
}

/** The reads of one process; `limits` hold for each kind of them by itself. */
export function createDeliveryReads(
  database: Database,
  { maxBatch, maxRangeRows, maxInFlight, paceMs, maxWaiting, maxWaitMs }: DeliveryReadLimits,
): DeliveryReads {
  const shared = { maxInFlight, paceMs, maxWaiting, maxWaitMs };
  const standing = createCoalescer<Pair, Standing | null>({
    ...shared,
    maxBatch,
    run: (pairs) => database.query((sql) => selectStandings(sql, pairs)),
  });
  const participant = createCoalescer<Pair, { name: string | null } | null>({
    ...shared,
    maxBatch,
    run: (pairs) => database.query((sql) => selectParticipants(sql, pairs)),
  });
  const heads = createCoalescer<readonly CanonicalId[], ConversationHead[]>({
    ...shared,
    maxBatch,
    weigh: (ids) => ids.length,
    run: (lists) => database.query((sql) => selectHeads(sql, lists)),
  });
  const range = createCoalescer<RangeRequest, MessageRange>({
    ...shared,
    maxBatch: maxRangeRows,
    // What it can return at most; at least one, for its place in the query.
    weigh: ({ afterSeq, upToSeq, limit }) => Math.max(1, Math.min(limit, upToSeq - afterSeq)),
    run: (requests) => database.query((sql) => selectRanges(sql, requests)),
  });
  const members = createCoalescer<
    { conversationId: CanonicalId; userIds: readonly CanonicalId[] },
    Members
  >({
    ...shared,
    maxBatch,
    weigh: ({ userIds }) => userIds.length + 1,
    run: (questions) =>
      database.query(async (sql) => {
        const answers = await selectMembers(sql, questions);
        // Whoever is not there is let go for good: only a database that is whole is believed.
        if (
          answers.some(({ members: { size } }, at) => size < (questions[at]?.userIds.length ?? 0))
        ) {
          await requireTriggers(sql);
        }
        return answers;
      }),
  });

  return {
    readStanding: (conversationId, userId) => standing({ conversationId, userId }),
    readUnread: (request) => readUnread(database, request),
    readParticipant: (conversationId, userId) => participant({ conversationId, userId }),
    readHeads: async (ids) => {
      const parts: Promise<ConversationHead[]>[] = [];
      for (let at = 0; at < ids.length; at += maxBatch) {
        parts.push(heads(ids.slice(at, at + maxBatch)));
      }
      return (await Promise.all(parts)).flat();
    },
    readRange: range,
    readMembers: (conversationId, userIds) => members({ conversationId, userIds }),
  };
}

type StandingRow = Omit<Standing, 'unread' | 'lostFuture'> & {
  seen: number | null;
  lostAfter: number | null;
  lostUpTo: number | null;
};

async function selectStandings(sql: Sql, pairs: Pair[]): Promise<(Standing | null)[]> {
  const rows = await sql<(StandingRow & Answering)[]>`
    SELECT w.ord, c.last_seq AS "lastSeq", c.members_version AS "membersVersion",
      (
        SELECT m.id FROM messaging.messages m
        WHERE m.conversation_id = c.id AND m.seq = c.last_seq
      ) AS "lastMessageId",
      lost.after_seq AS "lostAfter", lost.up_to_seq AS "lostUpTo",
      p.last_read_seq AS "lastReadSeq", p.last_delivered_seq AS "lastDeliveredSeq",
      CASE WHEN c.last_seq - p.last_read_seq <= ${MAX_SHARED_LOOK}::int8
        THEN ${lookForUnread(sql, {
          conversationId: sql`c.id`,
          userId: sql`p.participant_id`,
          afterSeq: sql`p.last_read_seq`,
          upToSeq: sql`c.last_seq`,
        })} END AS seen
    FROM unnest(${pairs.map(conversationOf)}::uuid[], ${pairs.map(userOf)}::uuid[])
      WITH ORDINALITY AS w (conversation_id, user_id, ord)
    JOIN messaging.conversations c ON c.id = w.conversation_id
    JOIN messaging.conversation_participants p
      ON p.conversation_id = w.conversation_id AND p.participant_id = w.user_id
    LEFT JOIN messaging.lost_futures lost
      ON lost.conversation_id = c.id
      AND lost.noticed_at > CURRENT_TIMESTAMP - make_interval(secs => ${LOST_FUTURE_LIFE_S})`;
  const answers: (Standing | null)[] = pairs.map(() => null);
  for (const { ord, seen, lostAfter, lostUpTo, ...at } of rows) {
    const unread = seen === null ? null : toUnread(seen, at.lastReadSeq, at.lastSeq);
    const lost = lostAfter !== null && lostUpTo !== null;
    const lostFuture = lost ? { afterSeq: lostAfter, upToSeq: lostUpTo } : null;
    answers[ord - 1] = { ...at, unread, lostFuture };
  }
  return answers;
}

async function selectParticipants(
  sql: Sql,
  pairs: Pair[],
): Promise<({ name: string | null } | null)[]> {
  const rows = await sql<({ name: string | null } & Answering)[]>`
    SELECT w.ord, u.name
    FROM unnest(${pairs.map(conversationOf)}::uuid[], ${pairs.map(userOf)}::uuid[])
      WITH ORDINALITY AS w (conversation_id, user_id, ord)
    JOIN messaging.conversation_participants p
      ON p.conversation_id = w.conversation_id AND p.participant_id = w.user_id
    LEFT JOIN auth.users u ON u.id = p.participant_id`;
  const answers: ({ name: string | null } | null)[] = pairs.map(() => null);
  for (const { ord, name } of rows) answers[ord - 1] = { name };
  return answers;
}

async function selectHeads(
  sql: Sql,
  lists: (readonly CanonicalId[])[],
): Promise<ConversationHead[][]> {
  const rows = await sql<(ConversationHead & Answering)[]>`
    SELECT w.ord, c.id AS "conversationId", c.last_seq AS "lastSeq",
      c.members_version AS "membersVersion"
    FROM unnest(${lists.flat()}::uuid[], ${positions(lists)}::int4[]) AS w (conversation_id, ord)
    JOIN messaging.conversations c ON c.id = w.conversation_id`;
  const answers: ConversationHead[][] = lists.map(() => []);
  for (const { ord, ...head } of rows) answers[ord - 1]?.push(head);
  return answers;
}

function emptyRange(): MessageRange {
  return { messages: [], coveredSeq: 0, lastSeq: 0, membersVersion: 0 };
}

async function selectRanges(sql: Sql, requests: RangeRequest[]): Promise<MessageRange[]> {
  type Row = Answering & { lastSeq: number; membersVersion: number } & MessageColumns;
  const rows = await sql<Row[]>`
    SELECT w.ord, c.last_seq AS "lastSeq", c.members_version AS "membersVersion", page.*,
      ${senderNames(sql)}
    FROM unnest(
      ${requests.map(conversationOf)}::uuid[],
      ${requests.map(({ afterSeq }) => afterSeq)}::int8[],
      ${requests.map(({ upToSeq }) => upToSeq)}::int8[],
      ${requests.map(({ limit }) => limit)}::int8[]
    ) WITH ORDINALITY AS w (conversation_id, after_seq, up_to_seq, most, ord)
    JOIN messaging.conversations c ON c.id = w.conversation_id
    CROSS JOIN LATERAL (
      SELECT ${messageColumns(sql)} FROM (
        SELECT * FROM messaging.messages
        WHERE conversation_id = w.conversation_id AND seq > w.after_seq AND seq <= w.up_to_seq
        ORDER BY seq LIMIT w.most
      ) m
    ) page`;
  const answers = requests.map(emptyRange);
  for (const { ord, lastSeq, membersVersion, ...page } of rows) {
    const request = requests[ord - 1];
    if (request === undefined) continue;
    const messages = toMessages(request.conversationId, page);
    const last = messages.length < request.limit ? undefined : messages.at(-1)?.seq;
    const coveredSeq = last ?? Math.min(request.upToSeq, lastSeq);
    answers[ord - 1] = { messages, coveredSeq, lastSeq, membersVersion };
  }
  return answers;
}

async function selectMembers(
  sql: Sql,
  questions: { conversationId: CanonicalId; userIds: readonly CanonicalId[] }[],
): Promise<Members[]> {
  // One row for each user, and one for nobody, which brings the version in any case.
  const userLists = questions.map(({ userIds }) => [null, ...userIds]);
  const users = userLists.flat();
  const userIds = users.map((userId) => userId ?? NIL_UUID);
  const ords = positions(userLists);
  const conversationIds = questions.flatMap(({ conversationId, userIds }) =>
    Array.from({ length: userIds.length + 1 }, () => conversationId),
  );
  const rows = await sql<(Answering & { at: number; members_version: number; member: boolean })[]>`
    SELECT w.ord, w.at, c.members_version, p.id IS NOT NULL AS member
    FROM unnest(${conversationIds}::uuid[], ${userIds}::uuid[], ${ords}::int4[])
      WITH ORDINALITY AS w (conversation_id, user_id, ord, at)
    JOIN messaging.conversations c ON c.id = w.conversation_id
    LEFT JOIN messaging.conversation_participants p
      ON p.conversation_id = w.conversation_id AND p.participant_id = w.user_id`;
  const answers: Members[] = questions.map(() => ({ members: new Set(), membersVersion: 0 }));
  for (const row of rows) {
    const answer = answers[row.ord - 1];
    if (answer === undefined) continue;
    answer.membersVersion = row.members_version;
    const userId = users[row.at - 1];
    // As the caller spelled it, which need not be how the database does.
    if (row.member && userId != null) answer.members.add(userId);
  }
  return answers;
}

/** For each element of the lists, laid end to end, which list it comes from (1-based). */
function positions(lists: readonly (readonly unknown[])[]): number[] {
  return lists.flatMap((list, index) => list.map(() => index + 1));
}

const conversationOf = ({ conversationId }: { conversationId: CanonicalId }): string =>
  conversationId;
const userOf = ({ userId }: Pair): string => userId;
