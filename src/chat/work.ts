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

const CHARACTER_MS = 0.000_03;
const MESSAGE_MS = 0.015;
const PERSON_MS = 0.005;
const JOIN_MS = 0.2;
const LOOK_MS = 0.5;
const MARK_MS = 1;
const MARKED_MS = 0.012;
const MEMBERSHIP_MS = 2;
const JOINED_MS = 0.1;

/** Up to here a page, a stretch of a replay, a list is an ordinary one. */
const ORDINARY_PAGE_MS = 2;
const ORDINARY_STRETCH_MS = 1;
const ORDINARY_LIST_MS = 5;

const beyond = (costMs: number, ordinaryMs: number): number => Math.max(0, costMs - ordinaryMs);

function charactersOf(messages: readonly Message[]): number {
  let characters = 0;
  for (const { content } of messages) characters += content.length;
  return characters;
}

/** Of a page of history, which is written as JSON as well. */
export const pageCost = (read: HistoryOutcome): number =>
  read.outcome === 'page'
    ? beyond(charactersOf(read.messages) * CHARACTER_MS, ORDINARY_PAGE_MS)
    : 0;

/** Of a stretch of a replay: each of its messages is a frame of its own. */
export const stretchCost = ({ messages }: MessageRange): number =>
  beyond(messages.length * MESSAGE_MS + charactersOf(messages) * CHARACTER_MS, ORDINARY_STRETCH_MS);

/** Of a page of the list: its people, its last messages, and its looks for what is unread. */
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
 * Of a place in a conversation, and of the join it is for: counted however little it is, since a join
 * is nothing that anybody does often.
 */
export const joinCost = (): number => JOIN_MS;

/** Of a look for unread messages by itself. */
export const lookCost = (): number => LOOK_MS;

/** Of moving a cursor: the statuses it covers move as well. */
export const markCost = (mark: CursorOutcome): number =>
  'marked' in mark ? MARK_MS + mark.marked * MARKED_MS : MARK_MS;

/** Of changing who takes part: of one person, or of so many at once. */
export const membershipCost = (people = 1): number => MEMBERSHIP_MS + people * JOINED_MS;
