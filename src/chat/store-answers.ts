/** What a `Store` says of conversations, of who is in them and of what happened to people there. */
import type { CanonicalId } from '../shared/ids.ts';
import type { ConversationSummary, Message } from './schemas.ts';

/** A page of a person's conversations. */
export interface ListPage {
  conversations: ConversationSummary[];
  /** What to ask for the next page with; null on the last one. */
  nextCursor: string | null;
}

/** How far a conversation has come. */
export interface ConversationHead {
  conversationId: CanonicalId;
  lastSeq: number;
  membersVersion: number;
}

/** Which of the conversations asked for stand elsewhere than was said, and which do not exist. */
export interface Moved {
  moved: ConversationHead[];
  gone: CanonicalId[];
}

/** What a node believes: this message stands there. `messageId` null: it does not know which. */
export interface KnownHead {
  conversationId: CanonicalId;
  seq: number;
  messageId: CanonicalId | null;
}

/** Where a conversation really stands. */
export interface HeadView {
  lastSeq: number;
  /** The message there; null when there is none (any more). */
  lastMessageId: CanonicalId | null;
  membersVersion: number;
  /** False: PostgreSQL has gone back behind what was believed, and perhaps on from there. */
  goesOn: boolean;
}

/** Something about a person, or from a node, that every node must hear. */
export type Notice = {
  /** Grows from notice to notice, but not in the order of their commits. */
  id: number;
  userId: CanonicalId;
  /** Milliseconds since it was written, by PostgreSQL's clock. */
  ageMs: number;
} & (
  | { kind: 'added' | 'removed'; conversationId: CanonicalId; membersVersion: number }
  | { kind: 'disconnect' }
  /** `userId` names the node: what it has stored in this conversation, or in any, others may not have heard. */
  | { kind: 'unheard'; conversationId: CanonicalId | null }
);

/** One participant's cursors. */
export interface ParticipantCursors {
  conversationId: CanonicalId;
  userId: CanonicalId;
  lastReadSeq: number;
  lastDeliveredSeq: number;
}

/** Which of the people asked about take part, and under which version, read in one snapshot. */
export interface Members {
  members: Set<CanonicalId>;
  membersVersion: number;
}

/** A stretch of a conversation, read in one snapshot. */
export interface MessageRange {
  /** In order; positions without a row are left out. */
  messages: Message[];
  /** Everything up to here is in `messages`, or has no row. */
  coveredSeq: number;
  /** The conversation's last seq; 0 when it does not exist. */
  lastSeq: number;
  membersVersion: number;
}
