/**
 * The SQL of the write path, all of it. Every statement takes flat arrays, so its text is the same
 * for any batch and stays prepared.
 */
import type { MessageDraft } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Sql } from './link.ts';
import type { MessageRow } from './rows.ts';

/**
 * Session settings of the writer's connection. All look-ups are by index from an array of unknown
 * length; with these the planner does not read a whole table instead, however small it is.
 */
export const WRITER_SETTINGS: Record<string, string> = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  random_page_cost: '0',
  plan_cache_mode: 'force_generic_plan',
};

/**
 * Has every statement planned anew at its next use. A plan made while a table was empty is kept
 * until the table is analysed, and may be wrong long before that.
 */
export const forgetPlans = (sql: Sql) => sql.unsafe('DISCARD PLANS');

export interface ConversationHeadRow {
  id: CanonicalId;
  /** Where the row is. It stays there while we hold the lock, and so is found without an index. */
  ctid: string;
  last_seq: number;
  members_version: number;
  last_message_at: string | null;
  /** The database's clock: nodes' clocks differ, and created_at follows seq. */
  now: string;
}

/**
 * Locks the conversations in the order of their ids, which is every writer's order. FOR NO KEY
 * UPDATE, because FOR UPDATE would wait for (and hold up) foreign-key checks. Those that somebody
 * else has locked are left out, or with `waits` waited for, each for LOCK_WAIT_MS at most. What must
 * be true of a conversation is read in later statements: this one's snapshot is older than its wait.
 */
export const lockConversations = (sql: Sql, ids: readonly string[], waits: boolean) =>
  sql<ConversationHeadRow[]>`
    SELECT id, ctid, last_seq, members_version, last_message_at,
      clock_timestamp() AT TIME ZONE 'UTC' AS now
    FROM messaging.conversations WHERE id = ANY(${ids}::uuid[])
    ORDER BY id FOR NO KEY UPDATE ${waits ? sql`` : sql`SKIP LOCKED`}`;

export interface SenderRow {
  /** Place of the pair in the arrays given, from 1. */
  place: number;
  /** Whether there is such a conversation, locked by somebody else or not. */
  exists: boolean;
  member: boolean;
  name: string | null;
}

/**
 * Which of the pairs (conversation, sender) are participations, and the senders' names; a row for
 * each pair. LIMIT keeps the planner from turning a look-up per pair into a join over the table; so it
 * does below.
 */
export const readSenders = (
  sql: Sql,
  conversationIds: readonly CanonicalId[],
  senderIds: readonly string[],
) =>
  sql<SenderRow[]>`
    SELECT d.place::int AS place,
      EXISTS (SELECT FROM messaging.conversations c WHERE c.id = d.conversation_id) AS exists,
      p.member IS NOT NULL AS member, p.name
    FROM unnest(${conversationIds}::uuid[], ${senderIds}::uuid[])
      WITH ORDINALITY AS d (conversation_id, sender_id, place)
    LEFT JOIN LATERAL (
      SELECT true AS member, u.name::text AS name
      FROM messaging.conversation_participants p JOIN auth.users u ON u.id = p.participant_id
      WHERE p.conversation_id = d.conversation_id AND p.participant_id = d.sender_id
      LIMIT 1
    ) p ON true`;

/** Messages already stored under the drafts' client_message_ids. */
export const readKeyed = (sql: Sql, keyed: readonly MessageDraft[]) =>
  sql<MessageRow[]>`
    SELECT m.id, m.conversation_id, m.seq, m.sender_id, u.name::text AS sender_name, m.content,
      m.message_type, m.media_url, m.client_message_id, m.status, m.created_at
    FROM unnest(
      ${keyed.map((draft) => draft.conversationId)}::uuid[],
      ${keyed.map((draft) => draft.senderId)}::uuid[],
      ${keyed.map((draft) => draft.clientMessageId)}::text[]
    ) AS d (conversation_id, sender_id, key)
    CROSS JOIN LATERAL (
      SELECT * FROM messaging.messages m
      WHERE m.conversation_id = d.conversation_id AND m.sender_id = d.sender_id
        AND m.client_message_id = d.key
      LIMIT 1
    ) m
    LEFT JOIN auth.users u ON u.id = m.sender_id`;

/** Messages an earlier attempt of the same drafts has stored. */
export const readByIds = (sql: Sql, ids: readonly string[]) =>
  sql<MessageRow[]>`
    SELECT m.id, m.conversation_id, m.seq, m.sender_id, u.name::text AS sender_name, m.content,
      m.message_type, m.media_url, m.client_message_id, m.status, m.created_at
    FROM messaging.messages m LEFT JOIN auth.users u ON u.id = m.sender_id
    WHERE m.id = ANY(${ids}::uuid[])`;

export interface NewHead {
  conversationId: CanonicalId;
  ctid: string;
  lastSeq: number;
  lastMessageAt: string;
}

/** Inserts the messages and moves the heads of their conversations: one statement, one round of work. */
export const writeMessages = (sql: Sql, messages: readonly Message[], heads: readonly NewHead[]) =>
  sql`
    WITH moved AS (
      UPDATE messaging.conversations c
      SET last_seq = d.last_seq, last_message_at = d.last_message_at
      FROM unnest(
        ${heads.map((head) => head.ctid)}::tid[],
        ${heads.map((head) => head.conversationId)}::uuid[],
        ${heads.map((head) => head.lastSeq)}::bigint[],
        ${heads.map((head) => head.lastMessageAt)}::timestamp[]
      ) AS d (ctid, id, last_seq, last_message_at)
      WHERE c.ctid = d.ctid AND c.id = d.id)
    INSERT INTO messaging.messages (id, conversation_id, seq, sender_id, content, message_type,
      media_url, client_message_id, created_at)
    SELECT * FROM unnest(
      ${messages.map((message) => message.id)}::uuid[],
      ${messages.map((message) => message.conversation_id)}::uuid[],
      ${messages.map((message) => message.seq)}::bigint[],
      ${messages.map((message) => message.sender_id)}::uuid[],
      ${messages.map((message) => message.content)}::text[],
      ${messages.map((message) => message.message_type)}::text[],
      ${messages.map((message) => message.media_url)}::text[],
      ${messages.map((message) => message.client_message_id)}::text[],
      ${messages.map((message) => message.created_at)}::timestamp[])`;
