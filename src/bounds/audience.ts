/** Bounds of who hears what: rooms, their members, what is told to people. */

// audience/catch-up
/** How many checks pass between two looks for notices that are old enough to go. */
export const FORGET_EVERY_CHECKS = 60;
/** Conversations whose cursors are asked for in one query. */
export const CURSOR_BATCH = 500;

// audience/head-checks
/** The most intervals between two comparisons of a silent room. */
export const MAX_HEAD_CHECK_PAUSE = 16;

// audience/membership-news
/** Most pairs of person and conversation remembered; the longest remembered go first. */
export const MAX_REMEMBERED_NEWS = 100_000;

// audience/read-pace
/** What one read should bring: a few milliseconds of work, and a bounded piece of memory. */
export const READ_CHARACTERS = 250_000;

// audience/room-members
/** People who have left a room, of whom it remembers that their sockets were told. */
export const MAX_REMEMBERED_DEPARTURES = 1_000;

// audience/unheard
/** Conversations told by name of which others may not have heard; of more they are told to compare all. */
export const MAX_UNHEARD_NAMED = 100;
/** After its sender was told that nobody knows, a message may be stored for so long: twice a send's deadline. */
export const UNSURE_FOR_MS = 10_000;

// audience/head-checks, audience/room
export const ROOM_LIMITS = Object.freeze({
  /** Messages of one room that came early and wait for the one before them. */
  maxHeld: 1_000,
  /** Messages read in one query to fill a hole. */
  readLimit: 500,
  /** After a read that failed, until the next. */
  retryMs: 250,
  /** Conversations whose heads are compared in one query. */
  headCheckBatch: 1_000,
});
