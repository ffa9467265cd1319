/**
 * One statement, and so one round trip and one transaction, for many messages (sql/0016_append_messages.sql).
 *
 * Guarantees: seqs of a conversation continue its last one without a gap, in the order of the drafts;
 * membership and client_message_ids are judged after the conversations are locked, so a removal or a rival's
 * message is either seen or waits for us; what somebody else has locked is left out and holds up nothing;
 * outcomes are returned after the commit.
 */
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import { type AppendOrders, type AppendRow, appendMessages } from './append-statements.ts';
import { toIsoTimestamp } from './column-types.ts';
import type { Sql } from './link.ts';
import { type MessageRow, toMessage } from './rows.ts';

/** Of a draft whose conversation somebody else has locked: nothing is known yet. */
export const LOCKED = 'locked';
/** Of a draft that was not stored because its deadline was over in PostgreSQL. */
export const LATE = 'late';

export type DraftOutcome = AppendOutcome | typeof LOCKED | typeof LATE;

/**
 * Stores the drafts in their order. Outcome `i` belongs to draft `i`.
 * Rejects with what PostgreSQL says when one row cannot be stored, or waits for a lock: then none is.
 */
export async function appendBatch(
  sql: Sql,
  drafts: readonly MessageDraft[],
  orders: AppendOrders,
): Promise<DraftOutcome[]> {
  const { firsts, placeOf } = withoutRepeats(drafts);
  const conversationIds = new Set(firsts.map((draft) => draft.conversationId));
  const rows = await appendMessages(sql, [...conversationIds], firsts, orders);
  const answers = firsts.map((draft, place) => answerTo(draft, rows[place]));
  if (firsts.length === drafts.length) return answers.map(({ outcome }) => outcome);
  return drafts.map((draft, index) => {
    const place = placeOf[index] ?? 0;
    const answer = answers[place];
    if (answer === undefined) throw new Error('append_messages gave too few rows');
    const isFirst = firsts[place] === draft;
    return isFirst || answer.message === undefined
      ? answer.outcome
      : repeatOf(answer.message, draft);
  });
}

/**
 * Without the drafts that repeat an earlier one of the same batch; `placeOf[i]` is where draft `i`, or the
 * one that it repeats, stands among the firsts.
 */
function withoutRepeats(drafts: readonly MessageDraft[]): {
  firsts: readonly MessageDraft[];
  placeOf: readonly number[];
} {
  if (drafts.length === 1) return { firsts: drafts, placeOf: [0] };
  const places = new Map<string, number>();
  const firsts: MessageDraft[] = [];
  const placeOf = drafts.map((draft) => {
    const { conversationId, senderId, clientMessageId } = draft;
    if (clientMessageId === null) return firsts.push(draft) - 1;
    // UUIDs have one length, so two of them side by side are unambiguous, and so is a key after them.
    const key = conversationId + senderId + clientMessageId;
    let place = places.get(key);
    if (place === undefined) {
      place = firsts.push(draft) - 1;
      places.set(key, place);
    }
    return place;
  });
  return { firsts, placeOf };
}

interface Answer {
  outcome: DraftOutcome;
  /** What is stored under the draft's client_message_id now. */
  message?: Message;
}

function answerTo(draft: MessageDraft, row: AppendRow | undefined): Answer {
  switch (row?.outcome) {
    case 'stored': {
      const message = storedMessage(draft, row);
      return {
        outcome: { outcome: 'stored', message, membersVersion: row.members_version },
        message,
      };
    }
    case 'stored_earlier': {
      const message = earlierMessage(row.earlier);
      return {
        outcome: { outcome: 'stored', message, membersVersion: row.members_version },
        message,
      };
    }
    case 'repeat': {
      const message = earlierMessage(row.earlier);
      return { outcome: repeatOf(message, draft), message };
    }
    case 'not_a_participant':
    case 'no_conversation':
      return { outcome: { outcome: row.outcome } };
    case 'locked':
    case 'late':
      return { outcome: row.outcome };
    case undefined:
      throw new Error('append_messages gave too few rows');
  }
}

function storedMessage(
  draft: MessageDraft,
  row: Extract<AppendRow, { outcome: 'stored' }>,
): Message {
  return {
    id: draft.id,
    conversation_id: draft.conversationId,
    seq: row.seq,
    sender_id: draft.senderId,
    sender_name: row.sender_name,
    content: draft.content,
    message_type: draft.messageType,
    media_url: draft.mediaUrl,
    client_message_id: draft.clientMessageId,
    status: 'sent',
    created_at: row.created_at,
  };
}

/** From JSON, in which PostgreSQL writes times in another way than in rows. */
function earlierMessage(row: MessageRow): Message {
  const createdAt = row.created_at === null ? null : toIsoTimestamp(row.created_at);
  return toMessage({ ...row, created_at: createdAt });
}

function repeatOf(message: Message, draft: MessageDraft): AppendOutcome {
  const saysTheSame =
    draft.content === message.content &&
    draft.messageType === message.message_type &&
    draft.mediaUrl === message.media_url;
  return saysTheSame ? { outcome: 'duplicate', message } : { outcome: 'idempotency_conflict' };
}
