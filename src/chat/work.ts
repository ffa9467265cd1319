/**
 * What work done for one person costs, and who makes it wait. Costs are milliseconds of server and
 * PostgreSQL together, as they were measured on one core; only their proportions matter much. An
 * ordinary call costs nothing: how many of those there may be is for rates to say.
 */
import type { CanonicalId } from '../shared/ids.ts';
import type { CursorOutcome, HistoryOutcome, MessageRange } from './ports.ts';
import type { ConversationSummary, Message } from './schemas.ts';

/**
 * Work done for one person: so much at a time, over all their sockets and calls; the rest waits in
 * their own line. A null person (a service that names nobody) waits for nothing.
 */
export interface PersonalWork {
  /**
   * Carries out a question that shares its query with those of others.
   *
   * @param rows what it asks for at most
   * @param costMs what the answer has cost beyond an ordinary call; left out: nothing
   * @throws ChatError rate_limited when too much of the person's waits, or it has waited for too long;
   *   else what `work` throws
   */
  shared<T>(
    userId: CanonicalId | null,
    rows: number,
    work: () => Promise<T>,
    costMs?: (answer: T) => number,
  ): Promise<T>;
  /** As `shared`, for what has a connection to PostgreSQL to itself. */
  alone<T>(
    userId: CanonicalId | null,
    work: () => Promise<T>,
    costMs: (answer: T) => number,
  ): Promise<T>;
}

/** A standing is read with a look for unread messages, which is worth so many rows. */
export const STANDING_ROWS = 5;

// What each of these adds to the cost of a call, in milliseconds.
const CHARACTER_MS = 0.000_03;
const MESSAGE_MS = 0.015;
const PERSON_MS = 0.005;
const JOIN_MS = 0.2;
const LOOK_MS = 0.5;
const MARK_MS = 1;
const MARKED_MS = 0.012;
const MEMBERSHIP_MS = 2;
const JOINED_MS = 0.1;

/** A page, a stretch of a replay or a list that costs no more than this is an ordinary one. */
const ORDINARY_PAGE_MS = 2;
const ORDINARY_STRETCH_MS = 1;
const ORDINARY_LIST_MS = 5;

const beyond = (costMs: number, ordinaryMs: number): number => Math.max(0, costMs - ordinaryMs);

function charactersOf(messages: readonly Message[]): number {
  let characters = 0;
  for (const { content } of messages) characters += content.length;
  return characters;
}

/** The cost of a page of history, which is written as JSON as well. */
export const pageCost = (read: HistoryOutcome): number =>
  read.outcome === 'page'
    ? beyond(charactersOf(read.messages) * CHARACTER_MS, ORDINARY_PAGE_MS)
    : 0;

/** The cost of a stretch of a replay: each of its messages is a frame of its own. */
export const stretchCost = ({ messages }: MessageRange): number =>
  beyond(messages.length * MESSAGE_MS + charactersOf(messages) * CHARACTER_MS, ORDINARY_STRETCH_MS);

/** The cost of a page of the list: its people, its last messages, and its looks for what is unread. */
export function listCost(page: { conversations: readonly ConversationSummary[] } | null): number {
  let costMs = 0;
  for (const { participants, last_message, unread_exact } of page?.conversations ?? []) {
    costMs += participants.length * PERSON_MS;
    costMs += (last_message?.content.length ?? 0) * CHARACTER_MS;
    if (!unread_exact) costMs += LOOK_MS;
  }
  return beyond(costMs, ORDINARY_LIST_MS);
}

/**
 * The cost of reading a person's place in a conversation, and of the join that needs it. It is counted
 * however little it is, since nobody joins often.
 */
export const joinCost = (): number => JOIN_MS;

/** The cost of counting unread messages by a query of its own. */
export const lookCost = (): number => LOOK_MS;

/** The cost of moving a cursor: the statuses of the messages it covers move as well. */
export const markCost = (mark: CursorOutcome): number =>
  'marked' in mark ? MARK_MS + mark.marked * MARKED_MS : MARK_MS;

/** The cost of changing who takes part, for so many people at once. */
export const membershipCost = (people = 1): number => MEMBERSHIP_MS + people * JOINED_MS;
