/**
 * What the rules need from the outside, in the rules' own words. store/ implements `Store`,
 * audience/ implements `Events`; the rules import neither.
 */
import type { CanonicalId } from '../shared/ids.ts';
import type { Conversation, Message } from './schemas.ts';
import type {
  ConversationHead,
  HeadView,
  KnownHead,
  ListPage,
  Members,
  MessageRange,
  Moved,
  Notice,
  ParticipantCursors,
} from './store-answers.ts';
import type {
  AddRequest,
  CreateRequest,
  CursorRequest,
  HistoryRequest,
  ListRequest,
  LostFuture,
  MessageDraft,
  RangeRequest,
  RemoveRequest,
  UnreadRequest,
} from './store-requests.ts';

export type * from './store-answers.ts';
export type * from './store-requests.ts';

/** Who calls: a person, or a trusted backend that may name any person. */
export type Actor =
  | { kind: 'user'; userId: CanonicalId; expiresAtMs: number | null }
  | { kind: 'service'; expiresAtMs: number | null };

// ── Store ───────────────────────────────────────────────────────────────────────────────────────
// Every function rejects with ChatError('unavailable') within its deadline when PostgreSQL cannot
// answer. Expected refusals are values, not throws: the rules decide what the caller hears.

/**
 * What became of a draft, known only after COMMIT.
 * `membersVersion` is the conversation's membership version in the same transaction: a node that
 * has an older view of the members must look again before it delivers the message.
 */
export type AppendOutcome =
  | { outcome: 'stored'; message: Message; membersVersion: number }
  | { outcome: 'duplicate'; message: Message }
  | { outcome: 'idempotency_conflict' }
  | { outcome: 'not_a_participant' }
  | { outcome: 'no_conversation' };

/** Messages of others after a participant's read cursor. */
export interface Unread {
  count: number;
  /** False: there are more than are counted; `count` is then the number of all positions after the cursor. */
  exact: boolean;
}

/** One participant's place in a conversation, read together in one snapshot. */
export interface Standing {
  lastSeq: number;
  /** The message there; null when there is none (any more). */
  lastMessageId: CanonicalId | null;
  /** Positions that were heard and then lost (`noteLostFuture`), not long ago. */
  lostFuture: { afterSeq: number; upToSeq: number } | null;
  membersVersion: number;
  lastReadSeq: number;
  lastDeliveredSeq: number;
  /** null: not counted in passing, because of so many positions after the cursor; `readUnread` tells. */
  unread: Unread | null;
}

/** A page of history in chronological order, with the conversation's last seq as `total`, or a refusal. */
export type HistoryOutcome =
  | { outcome: 'page'; messages: Message[]; total: number }
  | { outcome: 'not_a_participant' }
  | { outcome: 'no_conversation' };

/** What became of a conversation to be created; `existing` is the one its match had already. */
export type CreateOutcome =
  | { outcome: 'created'; conversation: Conversation }
  | { outcome: 'existing'; conversation: Conversation }
  | { outcome: 'conversation_exists'; conversationId: CanonicalId }
  /** The key was used with another body. */
  | { outcome: 'idempotency_conflict' }
  /** The key's conversation is there, and its creator was removed from it. */
  | { outcome: 'not_a_participant' }
  | { outcome: 'unknown_reference'; field: 'participant_ids' | 'request_match_id' };

/** What became of a cursor to be moved. */
export type CursorOutcome =
  | {
      outcome: 'moved' | 'unchanged';
      /** Where the cursor stands now. */
      seq: number;
      /** Messages of others newly covered; 0 when unchanged. */
      marked: number;
    }
  | { outcome: 'not_a_participant' }
  | { outcome: 'no_conversation' };

/** What became of a person to be added or removed; `unchanged`: it was so already. */
export type MembershipOutcome =
  | { outcome: 'changed' | 'unchanged'; membersVersion: number }
  | { outcome: 'not_a_participant' }
  | { outcome: 'no_conversation' }
  | { outcome: 'unknown_reference' }
  | { outcome: 'too_many' };

/** Everything the rules keep and look up. */
export interface Store {
  /** Group commit: resolves after COMMIT. Drafts of one conversation keep the order of the calls. */
  appendMessage(draft: MessageDraft): Promise<AppendOutcome>;
  /** Latest first; null when the cursor is malformed. */
  listConversations(request: ListRequest): Promise<ListPage | null>;
  /** Coalesced. A page in chronological order; `total` is the conversation's last seq. */
  readHistory(request: HistoryRequest): Promise<HistoryOutcome>;
  createConversation(request: CreateRequest): Promise<CreateOutcome>;
  /** A cursor never moves back, nor past the last seq. */
  markRead(request: CursorRequest): Promise<CursorOutcome>;
  markDelivered(request: CursorRequest): Promise<CursorOutcome>;
  addParticipant(request: AddRequest): Promise<MembershipOutcome>;
  removeParticipant(request: RemoveRequest): Promise<MembershipOutcome>;
  /** How many people take part, for one of them; 0 for everybody else. */
  countParticipants(conversationId: CanonicalId, viewerId: CanonicalId): Promise<number>;
  /** null when the user is not a participant or there is no such conversation. Coalesced: calls of the same moment share a query. */
  readStanding(conversationId: CanonicalId, userId: CanonicalId): Promise<Standing | null>;
  /** How many of the messages after a cursor, up to `lastSeq`, are of others; a look of bounded cost. */
  readUnread(request: UnreadRequest): Promise<Unread>;
  /** The participant's stored name without the counters; null when not a participant. Coalesced. */
  readParticipant(
    conversationId: CanonicalId,
    userId: CanonicalId,
  ): Promise<{ name: string | null } | null>;
  /**
   * Which of these conversations stand elsewhere now, further on or further back, and where; and which
   * do not exist. What has not changed costs no answer, so that many can be asked for often.
   */
  readMoved(known: readonly ConversationHead[]): Promise<Moved>;
  /** Coalesced. Whether what is believed of a conversation still holds; null: there is none. */
  readHead(known: KnownHead): Promise<HeadView | null>;
  /**
   * Remembers, for some days, that messages after `afterSeq` up to `upToSeq` were heard by sockets and
   * are not what PostgreSQL holds there, if anything.
   */
  noteLostFuture(lost: LostFuture): Promise<void>;
  /** Heads of those conversations that exist. */
  readHeads(conversationIds: readonly CanonicalId[]): Promise<ConversationHead[]>;
  /** Messages with afterSeq < seq <= upToSeq, at most `limit`. Coalesced across conversations. */
  readRange(request: RangeRequest): Promise<MessageRange>;
  /** Which of `userIds` are participants, with the version this is true for, in one snapshot. */
  readMembers(conversationId: CanonicalId, userIds: readonly CanonicalId[]): Promise<Members>;
  /**
   * The notices that an earlier answer did not hold, and some it did; `since` is `next` of that one, or
   * null for those of the last minute, and of `backMs` before it, to begin with.
   */
  readNotices(since: string | null, backMs: number): Promise<{ notices: Notice[]; next: string }>;
  /** Every node is to end this person's connections: resolves when PostgreSQL holds the order. */
  orderDisconnect(userId: CanonicalId): Promise<void>;
  /**
   * Tells every node that others may not have heard what was stored in these conversations; null: in any.
   * @param nodeId who tells it
   */
  noteUnheard(nodeId: string, conversationIds: readonly CanonicalId[] | null): Promise<void>;
  /** Removes notices that every node has seen long ago. */
  forgetOldNotices(): Promise<void>;
  /** The cursors of everybody in these conversations. */
  readCursors(conversationIds: readonly CanonicalId[]): Promise<ParticipantCursors[]>;
  /** The conversation with its participants; null when there is none. */
  readConversation(conversationId: CanonicalId): Promise<Conversation | null>;
  /** Resolves when PostgreSQL answers a trivial query within the deadline. */
  ping(): Promise<void>;
}

// ── Events ──────────────────────────────────────────────────────────────────────────────────────

/** The connection an event came from, so that "to the others" can leave it out. */
export interface Origin {
  /** The socket's id: unique in the deployment, not secret. */
  readonly id: string;
}

/** How far somebody has read a conversation. */
export interface ReadMark {
  conversationId: CanonicalId;
  userId: CanonicalId;
  lastReadSeq: number;
}

/** How far somebody has received a conversation. */
export interface DeliveredMark {
  conversationId: CanonicalId;
  userId: CanonicalId;
  lastDeliveredSeq: number;
}

/** Somebody takes part in a conversation from now on, or no longer. */
export interface MembershipChange {
  conversationId: CanonicalId;
  userId: CanonicalId;
  /** The version of the member list after the change. */
  membersVersion: number;
}

/** What the rules announce to connected people. Never throws: who hears it is the audience's business. */
export interface Events {
  messageStored(message: Message, membersVersion: number): void;
  typingStarted(
    typing: { conversationId: CanonicalId; userId: CanonicalId; userName: string | null },
    origin: Origin,
  ): void;
  typingStopped(typing: { conversationId: CanonicalId; userId: CanonicalId }, origin: Origin): void;
  messagesRead(read: ReadMark): void;
  messagesDelivered(delivered: DeliveredMark): void;
  conversationCreated(conversation: Conversation): void;
  participantAdded(change: MembershipChange): void;
  participantRemoved(change: MembershipChange): void;
  /** The person's connections are to be ended, on every node. */
  userDisconnected(userId: CanonicalId): void;
}

// ── Limits ──────────────────────────────────────────────────────────────────────────────────────

/** How often, or how much of, something one person may do. */
export interface UserLimit {
  /**
   * Counts one, or as many `units`. Calls of one person settle in their order, so that no message overtakes another.
   *
   * @throws ChatError rate_limited, with the seconds after which to try again
   */
  consume(userId: CanonicalId, units?: number): Promise<void>;
}

/**
 * Time as the rules see it, so that tests can hold it. No time of day: rules know durations, and what
 * is dated is dated by PostgreSQL.
 */
export interface Clock {
  /** Milliseconds since some moment; never set back, never ahead of the time that has passed. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}
