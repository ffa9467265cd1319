/**
 * One conversation as this client knows it: a window of all its messages up to `head`,
 * what is still to be sent, and how far the others have come. Pure: no socket, no timers, no page.
 *
 * Guarantees: a message stands in the window once, in the order of `seq`; what has been heard is no
 * longer outgoing; statuses only move forward.
 */
import type { Message, MessageType, Person } from 'messaging-service/events';

/** A message of one's own that has not been heard back yet. */
export interface Outgoing {
  client_message_id: string;
  conversation_id: string;
  content: string;
  message_type: MessageType;
  media_url: string | null;
  created_at: string;
  /** waiting: to be sent (again); stored: acknowledged, not heard yet; failed: refused for good. */
  state: 'waiting' | 'stored' | 'failed';
  seq?: number;
  /** Why it failed. */
  reason?: string;
}

export interface Thread {
  readonly id: string;
  participants: readonly Person[];
  createdAt: string;
  /** Every message up to here has been heard; null until the conversation is joined. */
  head: number | null;
  /** All there are from first to head; empty when first is head + 1. */
  messages: Message[];
  first: number;
  outgoing: Outgoing[];
  /** The message that the list shows; it may be older than the window. */
  lastMessage: Message | null;
  lastReadSeq: number;
  /** How far this person has seen it, and how far the service has been told that it was received. */
  seenSeq: number;
  deliveredSeq: number;
  unread: number;
  /** Who is typing, by id. */
  typing: Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>;
  readBy: Map<string, number>;
  deliveredBy: Map<string, number>;
  joined: boolean;
  loading: boolean;
  /** Why older messages or the conversation could not be loaded. */
  problem: string | null;
}

const RANK = { sent: 0, delivered: 1, read: 2 } as const;

export function newThread(id: string): Thread {
  return {
    id,
    participants: [],
    createdAt: '',
    head: null,
    messages: [],
    first: 1,
    outgoing: [],
    lastMessage: null,
    lastReadSeq: 0,
    seenSeq: 0,
    deliveredSeq: 0,
    unread: 0,
    typing: new Map(),
    readBy: new Map(),
    deliveredBy: new Map(),
    joined: false,
    loading: false,
    problem: null,
  };
}

/**
 * Starts the window anew behind `lastSeq`: what is before it is read as history. The service may have
 * gone back (a backup was restored): what is known of later positions holds no more, and what was
 * acknowledged and not heard is sent again; its key keeps it from being there twice.
 */
export function restart(thread: Thread, lastSeq: number): void {
  thread.head = lastSeq;
  thread.first = lastSeq + 1;
  thread.messages = [];
  if (thread.lastMessage !== null && thread.lastMessage.seq > lastSeq) thread.lastMessage = null;
  thread.lastReadSeq = Math.min(thread.lastReadSeq, lastSeq);
  thread.seenSeq = Math.min(thread.seenSeq, lastSeq);
  thread.deliveredSeq = Math.min(thread.deliveredSeq, lastSeq);
  thread.readBy.clear();
  thread.deliveredBy.clear();
  thread.outgoing = thread.outgoing.map((item) => {
    if (item.state !== 'stored') return item;
    const { seq: _lost, ...again } = item;
    return { ...again, state: 'waiting' };
  });
}

/**
 * Takes a live or replayed message. Positions before it that were not heard are not there any more: the
 * service leaves out nothing else without a word.
 *
 * @returns `known`: had it already; `early`: nothing is known yet of where the thread stands
 */
export function hear(thread: Thread, message: Message, me: string): 'new' | 'known' | 'early' {
  if (thread.head === null) return 'early';
  if (message.seq <= thread.head) return 'known';
  thread.head = message.seq;
  thread.messages = [...thread.messages, withStatus(thread, message, me)];
  thread.lastMessage = message;
  thread.typing.delete(message.sender_id);
  dropHeard(thread, [message], me);
  if (message.sender_id !== me) thread.unread += 1;
  return 'new';
}

/**
 * Puts the page of history that ends just before the window in front of it. Positions the store has
 * lost are passed over.
 *
 * @returns where the window begins now: 1 when there was nothing more
 */
export function prepend(thread: Thread, page: readonly Message[], me: string): number {
  thread.first = page[0]?.seq ?? 1;
  thread.messages = [...page.map((message) => withStatus(thread, message, me)), ...thread.messages];
  thread.lastMessage = thread.messages.at(-1) ?? thread.lastMessage;
  dropHeard(thread, page, me);
  return thread.first;
}

/** Forgets the oldest of a window longer than `most`; they can be loaded again. */
export function trim(thread: Thread, most: number): void {
  const excess = thread.messages.length - most;
  if (excess <= 0) return;
  thread.messages = thread.messages.slice(excess);
  thread.first = thread.messages[0]?.seq ?? thread.first;
}

/**
 * Somebody has received or read everything up to `seq`.
 *
 * @returns false when too little is known of the other participants to tell every status
 */
export function moveCursor(
  thread: Thread,
  kind: 'read' | 'delivered',
  userId: string,
  seq: number,
  me: string,
): boolean {
  const cursors = kind === 'read' ? thread.readBy : thread.deliveredBy;
  cursors.set(userId, Math.max(seq, cursors.get(userId) ?? 0));
  thread.messages = thread.messages.map((message) => withStatus(thread, message, me));
  return others(thread, me).every(({ id }) => thread.readBy.has(id) || thread.deliveredBy.has(id));
}

/** Takes over statuses as the service tells them. */
export function mergeStatuses(thread: Thread, told: readonly Message[]): void {
  const statuses = new Map(told.map(({ id, status }) => [id, status]));
  thread.messages = thread.messages.map((message) => {
    const status = statuses.get(message.id);
    const ahead = status !== undefined && RANK[status] > RANK[message.status];
    return ahead ? { ...message, status } : message;
  });
}

function withStatus(thread: Thread, message: Message, me: string): Message {
  if (message.sender_id !== me || message.status === 'read') return message;
  const people = others(thread, me);
  if (people.length === 0) return message;
  const readUpTo = (id: string): number => thread.readBy.get(id) ?? 0;
  const hasUpTo = (id: string): number => Math.max(readUpTo(id), thread.deliveredBy.get(id) ?? 0);
  const status = people.every(({ id }) => readUpTo(id) >= message.seq)
    ? 'read'
    : people.every(({ id }) => hasUpTo(id) >= message.seq)
      ? 'delivered'
      : 'sent';
  return RANK[status] > RANK[message.status] ? { ...message, status } : message;
}

function others(thread: Thread, me: string): Person[] {
  return thread.participants.filter(({ id }) => id !== me);
}

function dropHeard(thread: Thread, heard: readonly Message[], me: string): void {
  if (thread.outgoing.length === 0) return;
  const own = new Set(
    heard.filter(({ sender_id }) => sender_id === me).map((message) => message.client_message_id),
  );
  thread.outgoing = thread.outgoing.filter((item) => !own.has(item.client_message_id));
}
