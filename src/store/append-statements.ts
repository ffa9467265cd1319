/**
 * The SQL of the write path. Everything is given as flat arrays, so the text is the same for any batch and
 * stays prepared.
 */
import type { MessageDraft } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Sql } from './link.ts';
import type { MessageRow } from './rows.ts';

/**
 * Session settings of the writer's connections. All look-ups are by index from an array of unknown length;
 * with these the planner does not read a whole table instead, however small it is, and keeps its plans.
 */
export const WRITER_SETTINGS: Record<string, string> = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  random_page_cost: '0',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
};

/**
 * Has every statement planned anew at its next use. A plan made while a table was empty is kept until the
 * table is analysed, and may be wrong long before that.
 */
export const forgetPlans = (sql: Sql) => sql.unsafe('DISCARD PLANS');

/** PostgreSQL's clock, in milliseconds since 1970. */
export const readClock = (sql: Sql) =>
  sql<{ now_ms: number }[]>`
    SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms`;

/** What `append_messages` says of a draft (sql/0016). */
export type AppendRow =
  | {
      outcome: 'stored';
      seq: number;
      created_at: string;
      sender_name: string | null;
      members_version: number;
    }
  | { outcome: 'stored_earlier' | 'repeat'; members_version: number; earlier: MessageRow }
  | { outcome: 'not_a_participant' | 'no_conversation' | 'locked' | 'late' };

export interface AppendOrders {
  /** Whether locked conversations are waited for, each for LOCK_WAIT_MS at most. */
  waits: boolean;
  /** Whether an earlier call may have stored the drafts. */
  unsure: boolean;
  /** When nobody waits for a draft any more, in milliseconds since 1970 by PostgreSQL's clock. */
  deadlineMsOf(draft: MessageDraft): number;
}

// Flags go as numbers: what the driver sends again (a plan that no longer fits) it has made text of, and a
// text is no `true` for it.
/** Stores drafts, of which no two may have the same sender and client_message_id; a row for each. */
export const appendMessages = (
  sql: Sql,
  conversationIds: readonly CanonicalId[],
  drafts: readonly MessageDraft[],
  { waits, unsure, deadlineMsOf }: AppendOrders,
) =>
  sql<AppendRow[]>`
    SELECT * FROM messaging.append_messages(${conversationIds}::uuid[],
      ${Number(waits)}::int = 1, ${Number(unsure)}::int = 1, ${drafts.map((draft) => draft.id)}::uuid[],
      ${drafts.map((draft) => draft.conversationId)}::uuid[],
      ${drafts.map((draft) => draft.senderId)}::uuid[],
      ${drafts.map((draft) => draft.content)}::text[],
      ${drafts.map((draft) => draft.messageType)}::text[],
      ${drafts.map((draft) => draft.mediaUrl)}::text[],
      ${drafts.map((draft) => draft.clientMessageId)}::text[],
      ${drafts.map((draft) => Math.floor(deadlineMsOf(draft)))}::bigint[])`;
