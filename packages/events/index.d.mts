/**
 * The events and messages of messaging-service, for TypeScript. Types only; nothing here exists at run time.
 * Made by `npm run types:events` from the schemas the service checks with. Do not edit.
 */

import type { Socket } from 'socket.io-client';

export type MessageType = 'text' | 'image' | 'location';
export type MessageStatus = 'sent' | 'delivered' | 'read';

export interface Conversation {
  /** UUID. */
  id: string;
  /** UUID. */
  request_match_id: string | null;
  /** UTC, milliseconds. */
  last_message_at: string | null;
  /** UTC, milliseconds. */
  created_at: string;
  participants: Person[];
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_seq: number;
}

export interface ConversationSummary {
  /** UUID. */
  id: string;
  /** UUID. */
  request_match_id: string | null;
  /** UTC, milliseconds. */
  last_message_at: string | null;
  /** UTC, milliseconds. */
  created_at: string;
  participants: Person[];
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_seq: number;
  last_message: Message | null;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_read_seq: number;
  /** Messages of others after last_read_seq; when unread_exact is false, an upper bound. */
  unread_count: number;
  /** true: unread_count was counted, as it is up to 1 000. false: it is last_seq - last_read_seq. */
  unread_exact: boolean;
}

export interface DeliveredResult {
  /** UUID. */
  conversation_id: string;
  /** UUID. */
  user_id: string;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_delivered_seq: number;
}

export interface HistoryPage {
  messages: Message[];
  total: number;
}

export interface JoinResult {
  /** UUID. */
  conversation_id: string;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_seq: number;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_read_seq: number;
  /** Messages of others after last_read_seq; when unread_exact is false, an upper bound. */
  unread_count: number;
  /** true: unread_count was counted, as it is up to 1 000. false: it is last_seq - last_read_seq. */
  unread_exact: boolean;
  resync?: true;
}

export interface Message {
  /** UUID. */
  id: string;
  /** UUID. */
  conversation_id: string;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  seq: number;
  /** UUID. */
  sender_id: string;
  sender_name: string | null;
  content: string;
  message_type: 'text' | 'image' | 'location';
  media_url: string | null;
  client_message_id: string | null;
  status: 'sent' | 'delivered' | 'read';
  /** UTC, milliseconds. */
  created_at: string;
}

export interface ParticipantChange {
  /** UUID. */
  conversation_id: string;
  /** UUID. */
  user_id: string;
}

export interface Person {
  /** UUID. */
  id: string;
  name: string | null;
}

export interface ReadResult {
  /** UUID. */
  conversation_id: string;
  /** UUID. */
  user_id: string;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  last_read_seq: number;
  /** Messages of others newly covered. */
  marked: number;
}

export interface SentMessage {
  /** UUID. */
  id: string;
  /** UUID. */
  conversation_id: string;
  /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
  seq: number;
  /** UUID. */
  sender_id: string;
  sender_name: string | null;
  content: string;
  message_type: 'text' | 'image' | 'location';
  media_url: string | null;
  client_message_id: string | null;
  status: 'sent' | 'delivered' | 'read';
  /** UTC, milliseconds. */
  created_at: string;
  duplicate?: true;
}

export type ErrorCode =
  | 'invalid_request'
  | 'unauthenticated'
  | 'token_expired'
  | 'foreign_page'
  | 'identity_mismatch'
  | 'not_a_participant'
  | 'not_found'
  | 'idempotency_conflict'
  | 'conversation_exists'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'unknown_reference'
  | 'rate_limited'
  | 'headers_too_large'
  | 'internal'
  | 'unavailable';

export interface ErrorBody {
  code: ErrorCode;
  message: string;
  /** What is wrong with which field. */
  details?: Record<string, string>;
  /** Whole seconds after which trying again makes sense; with rate_limited and unavailable. */
  retry_after?: number;
}

/** What a client sends with each event. */
export interface ClientEventPayloads {
  join_conversation: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
    after_seq?: number | null;
  };
  leave_conversation: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
  };
  send_message: {
    /** UUID. */
    conversation_id: string;
    content: string;
    message_type?: 'text' | 'image' | 'location';
    media_url?: string | null;
    client_message_id?: string | null;
    sender_id?: string | null;
  };
  typing_start: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
    /** Ignored: the stored name is shown. */
    user_name?: unknown;
  };
  typing_stop: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
    user_name?: unknown;
  };
  mark_read: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
    up_to_seq?: number | null;
  };
  message_delivered: {
    /** UUID. */
    conversation_id: string;
    user_id?: string | null;
    /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
    up_to_seq: number;
  };
  refresh_token: {
    token: string;
  };
}

/** The data each of them is acknowledged with. */
export interface Answers {
  join_conversation: JoinResult;
  leave_conversation: {
    /** UUID. */
    conversation_id: string;
  };
  send_message: SentMessage;
  typing_start: Record<never, never>;
  typing_stop: Record<never, never>;
  mark_read: ReadResult;
  message_delivered: DeliveredResult;
  refresh_token: {
    expires_at: string | null;
  };
}

/** What the service sends with each event. */
export interface ServerEventPayloads {
  new_message: Message;
  user_typing: {
    /** UUID. */
    conversation_id: string;
    /** UUID. */
    user_id: string;
    user_name: string | null;
  };
  user_stopped_typing: ParticipantChange;
  messages_read: {
    /** UUID. */
    conversation_id: string;
    /** UUID. */
    user_id: string;
    /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
    last_read_seq: number;
  };
  messages_delivered: DeliveredResult;
  conversation_created: Conversation;
  participant_added: ParticipantChange;
  participant_removed: ParticipantChange;
  token_expiring: {
    expires_at: string;
  };
  resync: {
    /** UUID. */
    conversation_id: string;
    /** Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first. */
    last_seq: number;
  };
  error: {
    event: string;
    code: string;
    message: string;
    /** Seconds after which to try again; with rate_limited and unavailable. */
    retry_after?: number;
  };
}

export type ClientEvent = keyof ClientEventPayloads;
export type ClientEventPayload<E extends ClientEvent> = ClientEventPayloads[E];
export type Acknowledged<E extends ClientEvent> = Answers[E];
export type ServerEvent = keyof ServerEventPayloads;
export type ServerEventPayload<E extends ServerEvent> = ServerEventPayloads[E];

/** What the acknowledgement of an event is called with. */
export type Acknowledgement<E extends ClientEvent> =
  | { success: true; data: Acknowledged<E> }
  | { success: false; error: ErrorBody };

/** Of these two events the payload may be the conversation's id alone. */
export type ClientEventInput<E extends ClientEvent> = E extends
  | 'join_conversation'
  | 'leave_conversation'
  ? ClientEventPayload<E> | string
  : ClientEventPayload<E>;

/** What a client listens to. */
export type ServerToClientEvents = {
  [E in ServerEvent]: (payload: ServerEventPayload<E>) => void;
};

/**
 * What a client emits and has acknowledged: the form from which socket.io-client knows the answers of
 * `emitWithAck` and of `timeout(…).emit`. An optional callback here would make both of them `any`.
 */
export type ClientToServerEvents = {
  [E in ClientEvent]: (
    payload: ClientEventInput<E>,
    acknowledge: (answer: Acknowledgement<E>) => void,
  ) => void;
};

/** What a client emits without waiting: a failure then arrives as `error`. */
export type UnacknowledgedEvents = {
  [E in ClientEvent]: (payload: ClientEventInput<E>) => void;
};

/**
 * The stock client with both: `emit` with a callback or without one, `emitWithAck` with its answer.
 * (After `timeout(…)` its `emitWithAck` is `any`, whatever the events: name the answer's type there.)
 */
export type MessagingSocket = Socket<ServerToClientEvents, ClientToServerEvents> &
  Socket<ServerToClientEvents, UnacknowledgedEvents>;
