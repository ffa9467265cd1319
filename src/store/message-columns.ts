/**
 * Many messages in one row: an array for each column. PostgreSQL writes, and this process reads,
 * ten values for a page and not five hundred, and each sender's name once.
 */
import type { Message } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { toIsoTimestamp } from './column-types.ts';
import type { Sql } from './database.ts';
import { toMessage } from './rows.ts';

/** What `messageColumns` and `senderNames` select; all null where there are no messages. */
export type MessageColumns =
  | {
      seqs: number[];
      ids: CanonicalId[];
      senders: CanonicalId[];
      contents: string[];
      types: (string | null)[];
      urls: (string | null)[];
      keys: (string | null)[];
      statuses: (string | null)[];
      times: (string | null)[];
      names: Record<string, string | null>;
    }
  | { seqs: null };

/** The columns of the messages `m`, for a SELECT of them alone: in the order in which they come. */
export const messageColumns = (sql: Sql) => sql`
  array_agg(m.seq) AS seqs, array_agg(m.id) AS ids, array_agg(m.sender_id) AS senders,
  to_json(array_agg(m.content)) AS contents, to_json(array_agg(m.message_type)) AS types,
  to_json(array_agg(m.media_url)) AS urls, to_json(array_agg(m.client_message_id)) AS keys,
  to_json(array_agg(m.status)) AS statuses, to_json(array_agg(m.created_at)) AS times`;

/**
 * The names of the `senders` of `page`. A name at a time by primary key: with a join the planner,
 * which cannot know how few they are, reads all users.
 */
export const senderNames = (sql: Sql) => sql`
  (
    SELECT json_object_agg(s.id, (SELECT u.name::text FROM auth.users u WHERE u.id = s.id))
    FROM (SELECT DISTINCT id FROM unnest(page.senders) AS sender (id)) s
  ) AS names`;

/** The messages of one row, in the order in which they were selected. */
export function toMessages(conversationId: CanonicalId, page: MessageColumns): Message[] {
  if (page.seqs === null) return [];
  const { seqs, ids, senders, contents, types, urls, keys, statuses, times, names } = page;
  const nameOf = new Map(Object.entries(names));
  return seqs.map((seq, n) => {
    const sender = senders[n] as CanonicalId;
    const time = times[n];
    return toMessage({
      id: ids[n] as CanonicalId,
      conversation_id: conversationId,
      seq,
      sender_id: sender,
      sender_name: nameOf.get(sender) ?? null,
      content: contents[n] as string,
      message_type: types[n] ?? null,
      media_url: urls[n] ?? null,
      client_message_id: keys[n] ?? null,
      status: statuses[n] ?? null,
      created_at: time == null ? null : toIsoTimestamp(time),
    });
  });
}
