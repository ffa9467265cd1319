/**
 * A user's conversations, latest first, in pages placed by a keyset cursor: whoever follows the
 * cursors of a list that stands still sees each conversation once, whatever the page size.
 *
 * What a page costs is bounded as well as how many conversations it has: it ends before the one that
 * would exceed a bound, and the next page begins there.
 */
import { MAX_UNREAD_LOOK } from '../bounds/store.ts';
import type { ListPage, ListRequest } from '../chat/ports.ts';
import type { ConversationSummary, Person } from '../chat/schemas.ts';
import { type CanonicalId, foldId, toCanonicalId } from '../shared/ids.ts';
import type { Database, Sql } from './database.ts';
import { type MessageRow, toMessage } from './rows.ts';
import { lookForUnread, toUnread } from './unread.ts';

export interface ListLimits {
  /** Most participants of a page's conversations together, a single conversation aside. */
  maxListPeople: number;
  /** Most bytes of a page's last messages together, a single one aside. */
  maxListBytes: number;
  /** Most positions that a page's looks for unread messages go through together, a single look aside. */
  maxListLook: number;
}

/** The place after a conversation: its time in microseconds since 1970 and its id. */
interface Place {
  atUs: number;
  id: CanonicalId;
}

interface SummaryRow {
  id: CanonicalId;
  request_match_id: CanonicalId | null;
  last_message_at: string | null;
  created_at: string;
  last_seq: number;
  last_read_seq: number;
  seen: number;
  at_us: number;
  /** How many conversations were found, those that are not on the page included. */
  found: number;
  participants: Person[];
  message_id: CanonicalId | null;
  message_seq: number;
  sender_id: CanonicalId;
  sender_name: string | null;
  content: string;
  message_type: string | null;
  media_url: string | null;
  client_message_id: string | null;
  status: string | null;
  message_created_at: string | null;
}

/** One page of the list, or null when the cursor is not one of ours. */
export async function listConversations(
  database: Database,
  { userId, limit, cursor }: ListRequest,
  limits: ListLimits,
): Promise<ListPage | null> {
  const after = cursor === null ? FIRST : decodeCursor(cursor);
  if (after === null) return null;
  // One more than asked for tells whether there is a next page.
  const rows = await database.query((sql) => selectPage(sql, userId, limit + 1, after, limits));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    conversations: page.map(toSummary),
    nextCursor:
      last !== undefined && last.found > page.length
        ? encodeCursor({ atUs: last.at_us, id: last.id })
        : null,
  };
}

/** The place before every conversation: later than any time a cursor can hold. */
const FIRST: Place = {
  atUs: Number.MAX_SAFE_INTEGER,
  id: foldId('ffffffff-ffff-ffff-ffff-ffffffffffff'),
};

/** The cursor for a place, opaque to callers: base64url of time and id. */
export function encodeCursor({ atUs, id }: Place): string {
  return Buffer.from(`${atUs}/${id}`).toString('base64url');
}

/** The place a cursor stands for; null unless `encodeCursor` made it. */
export function decodeCursor(cursor: string): Place | null {
  const [time = '', spelt] = Buffer.from(cursor, 'base64url').toString().split('/');
  const atUs = Number(time);
  const id = toCanonicalId(spelt);
  if (!Number.isSafeInteger(atUs) || id === null) return null;
  return encodeCursor({ atUs, id }) === cursor ? { atUs, id } : null;
}

/**
 * Candidates come in the order of the index on `listed_at`, which is the time of the list rounded
 * down: enough of them for the page, the rest of the last one's time slice, and the slice the cursor
 * points into. Only these are joined, sorted exactly and cut: the number of all the user's
 * conversations plays no part. Of those, only as many are read as fit the bounds.
 */
function selectPage(
  sql: Sql,
  userId: CanonicalId,
  count: number,
  after: Place,
  { maxListPeople, maxListBytes, maxListLook }: ListLimits,
) {
  return sql<SummaryRow[]>`
    WITH after AS (
      SELECT at, messaging.list_time(at, NULL) AS listed_at
      FROM (SELECT 'epoch'::timestamp + ${after.atUs}::bigint * interval '1 microsecond') AS t (at)
    ), candidate AS (
      SELECT conversation_id, last_read_seq FROM messaging.conversation_participants
      WHERE participant_id = ${userId}::uuid AND listed_at = (SELECT listed_at FROM after)
      UNION ALL
      (
        SELECT conversation_id, last_read_seq FROM messaging.conversation_participants
        WHERE participant_id = ${userId}::uuid AND listed_at < (SELECT listed_at FROM after)
        ORDER BY listed_at DESC FETCH FIRST (${count}::bigint) ROWS WITH TIES
      )
    ), page AS (
      SELECT c.id, c.request_match_id, c.last_message_at, c.created_at, c.last_seq, p.last_read_seq,
        coalesce(c.last_message_at, c.created_at, 'epoch') AS at
      FROM candidate p JOIN messaging.conversations c ON c.id = p.conversation_id
      WHERE (coalesce(c.last_message_at, c.created_at, 'epoch'), c.id)
        < ((SELECT at FROM after), ${after.id}::uuid)
      ORDER BY at DESC, c.id DESC LIMIT ${count}::bigint
    ), weighed AS (
      SELECT c.*, m.id AS message_id, m.seq AS message_seq, m.sender_id, m.content, m.message_type, m.media_url,
        m.client_message_id, m.status, m.created_at AS message_created_at,
        row_number() OVER so_far AS place, count(*) OVER () AS found,
        sum((
          SELECT count(*)::int FROM messaging.conversation_participants o WHERE o.conversation_id = c.id
        )) OVER so_far AS people,
        sum(coalesce(octet_length(m.content), 0)) OVER so_far AS bytes,
        sum(least(c.last_seq - c.last_read_seq, ${MAX_UNREAD_LOOK}::bigint)::int) OVER so_far AS look
      FROM page c
      -- The newest that is there: somebody may have deleted the last one by hand.
      LEFT JOIN LATERAL (
        SELECT * FROM messaging.messages
        WHERE conversation_id = c.id AND seq <= c.last_seq ORDER BY seq DESC LIMIT 1
      ) m ON TRUE
      WINDOW so_far AS (ORDER BY c.at DESC, c.id DESC ROWS UNBOUNDED PRECEDING)
    )
    SELECT c.id, c.request_match_id, c.last_message_at,
      coalesce(c.created_at, 'epoch'::timestamp) AS created_at, c.last_seq, c.last_read_seq,
      (extract(epoch FROM c.at) * 1000000)::bigint AS at_us,
      c.found,
      ${lookForUnread(sql, {
        conversationId: sql`c.id`,
        userId: sql`${userId}::uuid`,
        afterSeq: sql`c.last_read_seq`,
        upToSeq: sql`c.last_seq`,
      })} AS seen,
      (
        SELECT json_agg(json_build_object('id', o.participant_id, 'name', n.name)
          ORDER BY o.participant_id)
        FROM messaging.conversation_participants o LEFT JOIN auth.users n ON n.id = o.participant_id
        WHERE o.conversation_id = c.id
      ) AS participants,
      c.message_id, c.message_seq, c.sender_id, u.name AS sender_name, c.content, c.message_type, c.media_url,
      c.client_message_id, c.status, c.message_created_at
    FROM weighed c
    LEFT JOIN auth.users u ON u.id = c.sender_id
    WHERE c.place = 1 OR (
      c.people <= ${maxListPeople}::bigint AND c.bytes <= ${maxListBytes}::bigint
        AND c.look <= ${maxListLook}::bigint
    )
    ORDER BY c.at DESC, c.id DESC`;
}

function toSummary(row: SummaryRow): ConversationSummary {
  const unread = toUnread(row.seen, row.last_read_seq, row.last_seq);
  return {
    id: row.id,
    request_match_id: row.request_match_id,
    last_message_at: row.last_message_at,
    created_at: row.created_at,
    participants: row.participants,
    last_seq: row.last_seq,
    last_message: row.message_id === null ? null : toMessage(lastMessageRow(row, row.message_id)),
    last_read_seq: row.last_read_seq,
    unread_count: unread.count,
    unread_exact: unread.exact,
  };
}

function lastMessageRow(row: SummaryRow, id: CanonicalId): MessageRow {
  return {
    id,
    conversation_id: row.id,
    seq: row.message_seq,
    sender_id: row.sender_id,
    sender_name: row.sender_name,
    content: row.content,
    message_type: row.message_type,
    media_url: row.media_url,
    client_message_id: row.client_message_id,
    status: row.status,
    created_at: row.message_created_at,
  };
}
