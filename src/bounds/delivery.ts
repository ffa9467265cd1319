/** Bounds of commands of sockets, joins with their replays, tokens that run out. */

// delivery/commands
/** How long a socket that is to be closed may take to have its commands answered. */
export const EVENT_FINISH_MS = 3_000;
/** Most characters of sends, as they are kept, that one socket may have waiting for its joins. */
export const MAX_WAITING_SIZE = 2_000_000;
/** Characters of an unknown event's name that are said back. */
export const MAX_SHOWN_EVENT = 64;
/** Bad tokens in a row after which a connection is ended: by then its client is lost, or guessing. */
export const MAX_REFUSED_TOKENS = 10;

// delivery/joining
/** Joins of one conversation that a socket may have under way: more are of no use to anybody. */
export const MAX_RUNNING_JOINS = 16;

// delivery/token-expiry
/** How long before `exp` a client is told. */
export const EXPIRY_WARNING_MS = 30_000;
/** How often tokens are looked through: a connection outlives its token by no more than this. */
export const EXPIRY_TICK_MS = 500;

// delivery/replay
export const REPLAY_LIMITS = Object.freeze({
  /** Messages read in one query. */
  replayBatch: 500,
  /** How soon a client that reads slowly is looked at again. */
  replayPauseMs: 10,
});
