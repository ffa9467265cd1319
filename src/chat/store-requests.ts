/** What a `Store` is asked for: the pages, changes and looks that take more than an id or two. */
import type { CanonicalId } from '../shared/ids.ts';
import type { StorableText } from '../shared/storable-text.ts';
import type { MessageType } from './schemas.ts';

/** A message ready to be stored: content is already cleaned, ids are already made. */
export interface MessageDraft {
  id: CanonicalId;
  conversationId: CanonicalId;
  senderId: CanonicalId;
  content: StorableText;
  messageType: MessageType;
  mediaUrl: StorableText | null;
  clientMessageId: StorableText | null;
}

/** A page of a person's conversations. */
export interface ListRequest {
  userId: CanonicalId;
  /** Most conversations on the page. */
  limit: number;
  /** What the page before gave, or null for the first one. */
  cursor: string | null;
}

/** A page of a conversation's messages. */
export interface HistoryRequest {
  conversationId: CanonicalId;
  /** Whose participation is required; null reads as a service. */
  viewerId: CanonicalId | null;
  /** Most messages on the page. */
  limit: number;
  /** Exactly one way to place the page; offset counts from the newest message. */
  place:
    | { offset: number }
    | { beforeSeq: number }
    | { afterSeq: number }
    | { afterSeq: number; beforeSeq: number };
}

/** A conversation to be created. */
export interface CreateRequest {
  id: CanonicalId;
  requestMatchId: CanonicalId | null;
  /** Everybody who is to take part, each of them once. */
  participantIds: readonly CanonicalId[];
  /** Under what its creator may ask for it again; null: it makes a new one each time. */
  key: CreationKey | null;
}

/** A creator's own key for one conversation. */
export interface CreationKey {
  /** The nil UUID for a service: all services are one creator. */
  creatorId: CanonicalId;
  clientConversationId: StorableText;
}

/** A participant's read or delivered cursor, to be moved forward. */
export interface CursorRequest {
  conversationId: CanonicalId;
  userId: CanonicalId;
  /** The last message it is to cover; null means everything there is. */
  upToSeq: number | null;
}

/** A person to be added to a conversation. */
export interface AddRequest {
  conversationId: CanonicalId;
  userId: CanonicalId;
  /** Who must be a participant in the same transaction; null is a service, which need not be one. */
  addedBy: CanonicalId | null;
  maxParticipants: number;
}

/** A person to be removed from a conversation. */
export interface RemoveRequest {
  conversationId: CanonicalId;
  userId: CanonicalId;
}

/** The positions in which to count the messages of others than the user. */
export interface UnreadRequest {
  conversationId: CanonicalId;
  userId: CanonicalId;
  /** Exclusive. */
  lastReadSeq: number;
  /** Inclusive. */
  lastSeq: number;
}

/** A stretch of a conversation to be read. */
export interface RangeRequest {
  conversationId: CanonicalId;
  /** Exclusive. */
  afterSeq: number;
  /** Inclusive. */
  upToSeq: number;
  /** Most messages to return. */
  limit: number;
}

/** Positions whose messages sockets have heard, and PostgreSQL does not hold (any more). */
export interface LostFuture {
  conversationId: CanonicalId;
  /** Exclusive. */
  afterSeq: number;
  /** Inclusive. */
  upToSeq: number;
}
