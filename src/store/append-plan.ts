/**
 * Decides about the drafts of a batch, from what was read under the conversations' locks: which are
 * stored, under which seq, and what the others hear. Pure.
 */
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { ConversationHeadRow, NewHead } from './append-statements.ts';
import { nextMessageTime } from './message-time.ts';
import { type MessageRow, toMessage } from './rows.ts';
import type { CachedSender } from './sender-cache.ts';

/** Of a draft whose conversation somebody else has locked: nothing is known yet. */
export const LOCKED = 'locked';

/** Undefined: nobody wanted the draft any more. */
export type DraftOutcome = AppendOutcome | typeof LOCKED | undefined;

/** What the database says about a batch. */
export interface View {
  /** Of the conversations that are locked by us. */
  heads: readonly ConversationHeadRow[];
  /** The sender of each draft, in their order. */
  pairs: readonly Pair[];
  /** Messages stored earlier: under the same client_message_id, or (a repeat) the same id. */
  keyed: readonly MessageRow[];
  own: readonly MessageRow[];
}

/** A sender in a conversation. */
export interface Pair {
  key: string;
  conversationId: CanonicalId;
  senderId: CanonicalId;
  known: CachedSender | undefined;
  /** Whether there is such a conversation, locked or not. */
  exists: boolean;
  /** The sender's; undefined when it does not take part. */
  name: string | null | undefined;
}

export interface Doubts {
  /** An earlier attempt may have been committed, or still be on its way. */
  mayBeStored: boolean;
  /** Whether somebody still waits for draft `index`. */
  isWanted(index: number): boolean;
}

export interface Plan {
  outcomes: DraftOutcome[];
  messages: Message[];
  /** The indexes of the drafts they are made of. */
  written: number[];
  heads: NewHead[];
}

/** Decides about every draft and gives the new messages their places. */
export function planBatch(drafts: readonly MessageDraft[], view: View, attempt: Doubts): Plan {
  const heads = new Map(view.heads.map((row) => [row.id, toHead(row)]));
  const byId = new Map(view.own.map((row) => [row.id, row]));
  const byKey = new Map<string, Message>();
  for (const row of view.keyed) {
    const key = pairKey(row.conversation_id, row.sender_id) + row.client_message_id;
    byKey.set(key, toMessage(row));
  }
  const messages: Message[] = [];
  const written: number[] = [];

  function decide(draft: MessageDraft, index: number): DraftOutcome {
    if (!attempt.isWanted(index)) return undefined;
    const head = heads.get(draft.conversationId);
    if (head === undefined) return withoutLock(view.pairs[index]);
    const { membersVersion } = head;
    const own = byId.get(draft.id);
    if (own !== undefined) return { outcome: 'stored', message: toMessage(own), membersVersion };
    const pair = view.pairs[index];
    if (pair?.name === undefined) return { outcome: 'not_a_participant' };
    const key = draft.clientMessageId === null ? null : pair.key + draft.clientMessageId;
    const first = key === null ? undefined : byKey.get(key);
    if (first !== undefined) {
      if (!saysTheSame(draft, first)) return { outcome: 'idempotency_conflict' };
      return { outcome: 'duplicate', message: first };
    }
    head.lastSeq += 1;
    const message = newMessage(draft, head, pair.name);
    messages.push(message);
    written.push(index);
    if (key !== null) byKey.set(key, message);
    return { outcome: 'stored', message, membersVersion };
  }

  /**
   * Strangers hear at once what they hear of any conversation: it is true of this moment whoever holds
   * the lock, and a longer wait would tell them that there is one. Unless an earlier attempt is on its way.
   */
  function withoutLock(pair: Pair | undefined): DraftOutcome {
    if (pair === undefined || !pair.exists) return { outcome: 'no_conversation' };
    if (pair.name === undefined && !attempt.mayBeStored) return { outcome: 'not_a_participant' };
    return LOCKED;
  }

  const outcomes = drafts.map(decide);
  const touched = [...heads.values()].filter((head) => head.lastSeq > head.firstSeq);
  return { outcomes, messages, written, heads: touched };
}

interface Head extends NewHead {
  firstSeq: number;
  membersVersion: number;
}

function toHead(row: ConversationHeadRow): Head {
  return {
    conversationId: row.id,
    ctid: row.ctid,
    firstSeq: row.last_seq,
    lastSeq: row.last_seq,
    lastMessageAt: nextMessageTime(row.last_message_at, row.now),
    membersVersion: row.members_version,
  };
}

function newMessage(draft: MessageDraft, head: Head, senderName: string | null): Message {
  return {
    id: draft.id,
    conversation_id: draft.conversationId,
    seq: head.lastSeq,
    sender_id: draft.senderId,
    sender_name: senderName,
    content: draft.content,
    message_type: draft.messageType,
    media_url: draft.mediaUrl,
    client_message_id: draft.clientMessageId,
    status: 'sent',
    created_at: head.lastMessageAt,
  };
}

function saysTheSame(draft: MessageDraft, message: Message): boolean {
  return (
    draft.content === message.content &&
    draft.messageType === message.message_type &&
    draft.mediaUrl === message.media_url
  );
}

// UUIDs have one length, so two of them side by side are unambiguous, and so is a key after them.
export function pairKey(conversationId: CanonicalId, senderId: CanonicalId): string {
  return conversationId + senderId;
}
