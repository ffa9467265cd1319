/**
 * What happened in a run, as its clients saw it, and what PostgreSQL held at the end. Nothing here
 * judges; times are milliseconds of one clock, that of the process which runs the clients.
 */

/** One try to send: a definite answer, or none. */
export interface Attempt {
  via: 'socket' | 'rest';
  node: number;
  invokedAt: number;
  /** When it was answered or given up; Infinity while it is open. */
  endedAt: number;
  /** `unknown`: no answer, or one that says that nobody knows. */
  outcome: 'ok' | 'refused' | 'unknown';
  /** Of a refusal; `timeout` or `lost` for an answer that never came. */
  code: string | null;
  /** Of an `ok`. */
  message: { seq: number; id: string; duplicate: boolean } | null;
}

/** One message that somebody wants to say: its attempts share key and body. */
export interface Send {
  conversationId: string;
  senderId: string;
  key: string | null;
  /** Not used by any other send, so that a row tells where it comes from. */
  content: string;
  /** A second body under a key that was used: it must never be stored. */
  conflicts: boolean;
  attempts: Attempt[];
}

/** What one device saw, in the order in which it saw it. */
export type StreamEvent = { at: number } & (
  | { kind: 'connect'; node: number }
  | { kind: 'disconnect'; reason: string }
  | { kind: 'join'; conversationId: string; afterSeq: number | null }
  | { kind: 'joined'; conversationId: string; lastSeq: number; resync: boolean }
  | { kind: 'join_refused'; conversationId: string; code: string }
  | {
      kind: 'message';
      conversationId: string;
      seq: number;
      id: string;
      senderId: string;
      content: string;
    }
  | { kind: 'read'; conversationId: string; userId: string; lastReadSeq: number }
  | { kind: 'resync'; conversationId: string; lastSeq: number }
);

export interface DeviceLog {
  name: string;
  userId: string;
  /** The conversations it keeps joined, as long as its person takes part. */
  joins: readonly string[];
  events: StreamEvent[];
}

/** A call of `mark_read`. */
export interface Mark {
  conversationId: string;
  userId: string;
  upToSeq: number;
  invokedAt: number;
  endedAt: number;
  /** What it was answered with; null when it failed or nobody knows. */
  lastReadSeq: number | null;
}

/** A call that adds or removes a participant. */
export interface MembershipCall {
  action: 'added' | 'removed';
  conversationId: string;
  userId: string;
  invokedAt: number;
  /** Null: it failed, or nobody knows. */
  ackedAt: number | null;
}

/** A page of history handed to somebody over REST. */
export interface Reading {
  conversationId: string;
  userId: string;
  at: number;
  /** The highest seq that was shown; null when it was refused. */
  shownUpTo: number | null;
}

/** An order to end a person's connections on every node. */
export interface Order {
  userId: string;
  invokedAt: number;
  /** Null: it was refused, or nobody knows. */
  ackedAt: number | null;
}

export interface History {
  sends: Send[];
  devices: DeviceLog[];
  marks: Mark[];
  membership: MembershipCall[];
  readings: Reading[];
  orders: Order[];
}

export function createHistory(): History {
  return { sends: [], devices: [], marks: [], membership: [], readings: [], orders: [] };
}

export interface MessageRow {
  id: string;
  conversationId: string;
  seq: number;
  senderId: string;
  content: string;
  key: string | null;
}

/** A change of the member list, logged by a trigger inside the transaction that made it. */
export interface MembershipRow {
  conversationId: string;
  userId: string;
  action: 'added' | 'removed';
  /** The conversation's last seq at that moment: every later message is beyond the change. */
  lastSeq: number;
}

/** What PostgreSQL holds when everybody has finished. */
export interface Table {
  messages: MessageRow[];
  conversations: { id: string; lastSeq: number }[];
  cursors: { conversationId: string; userId: string; lastReadSeq: number }[];
  /** In the order of the changes, the first participants included. */
  membership: MembershipRow[];
  /** What a database held that another one has replaced, and that one does not hold. */
  lost: MessageRow[];
  /** Until when a database answered that is no more; null: there was none. */
  replacedAt: number | null;
  /** Rows that somebody deleted by hand. */
  deleted: MessageRow[];
}

export interface Violation {
  rule: string;
  detail: string;
}
