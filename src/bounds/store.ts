/** Bounds of PostgreSQL: connections, the writer, reads, locks, migrations. */

// store/append-session
/**
 * How long the writer's plans and what it knows of PostgreSQL's clock are used: planning costs about a
 * millisecond, and clocks drift apart by a few milliseconds in this time at most.
 */
export const SESSION_RENEW_MS = 10_000;

// store/append-retry
/** A message that is late for PostgreSQL with more time left than this is late by a clock that has been set. */
export const CLOCKS_DIFFER_MS = 100;

// store/conversations
/** A rival that does not take the lock (another program) can win the unique index this often. */
export const MAX_PAIR_ATTEMPTS = 3;

// store/storage, store/prepare
/** Calls that wait for a connection of the pool. */
export const MAX_WAITING_CALLS = 5000;
/** The share of the pool that calls may hold which found something locked before. */
export const LOCKED_SHARE = 1 / 4;
/** The share of the calls in line that may wait for one thing that is locked. */
export const LOCKED_LINE_SHARE = 1 / 5;
/** Attempts at a transaction that others came in the way of. */
export const MAX_TRANSACTION_ATTEMPTS = 8;
/** How long a connection may take to end in order. */
export const GOODBYE_MS = 500;

// store/demo-people
/** A demo, not a directory: more are neither shown nor made. */
export const MAX_PEOPLE = 200;

// store/link
/** A silent connection is probed by the system after this long. */
export const KEEP_ALIVE_S = 15;

// store/lock-waits
/**
 * Longest wait for one lock: well over what another node needs for a batch, well under what a
 * connection that others want may be idle. Of every session, so that it also holds for the locks a
 * statement takes by itself: a foreign key's, a unique index's, a table's.
 */
export const LOCK_WAIT_MS = 25;
export const LOCK_PAUSE_FIRST_MS = 2;
/** Also how long a conversation may still look locked after it was let go. */
export const LOCK_PAUSE_MAX_MS = 100;

// store/lost-futures
/** How long a client may be away and still be told that what it heard last was lost. */
export const LOST_FUTURE_LIFE_S = 7 * 86_400;

// store/choose-host
/** How long a process waits between two rounds over the hosts of DATABASE_URL, of which none takes writes yet. */
export const CHOOSE_HOST_PAUSE_MS = 250;

// store/migrate
export const MIGRATE_LIMITS = Object.freeze({
  /** How long connecting may take. */
  connectTimeoutMs: 10_000,
  /** Waiting for another node's migration, or for a table another session holds: a backfill takes minutes. */
  lockTimeoutMs: 300_000,
  /**
   * One wait for a table's lock: every send of the nodes that serve meanwhile queues up behind it, and is
   * refused after `WRITER_LIMITS.sendDeadlineMs`. Longer than `deadlock_timeout` (1 s by default): only
   * then does autovacuum let go of the table.
   */
  lockWaitMs: 2_000,
  /** The pause after it, less up to a half: what has queued up is done in it. */
  lockPauseMs: 4_000,
});
/** How long closing the connection may take. */
export const MIGRATE_END_S = 5;

// store/notices
/** How long a notice is kept: longer than a node can be without PostgreSQL and still have clients. */
export const NOTICE_LIFE_S = 3_600;
/**
 * What a node that has just begun reads: longer ago, none of its clients was there. One whose PostgreSQL
 * has become another one reads so much more than it has missed.
 */
export const NOTICE_FRESH_MS = 60_000;
/** Notices deleted in one statement. */
export const MAX_NOTICES_FORGOTTEN_AT_ONCE = 5_000;

// store/page-pieces
/** Conversations whose average length is remembered. */
export const MAX_REMEMBERED_LENGTHS = 20_000;
/** Most characters that the first page of an unknown conversation may bring: a page of the usual length. */
export const MAX_UNKNOWN_CHARACTERS = 1_000_000;

// store/prepare
/** How long one statement, and then closing, may take while the database is prepared. */
export const PREPARE_STATEMENT_MS = 10_000;
export const PREPARE_CLOSE_MS = 1_000;

// store/statuses
/** Most seqs one transaction covers, so that a long absence never holds the lock for long. */
export const MAX_STATUS_SPAN = 10_000;

// store/storage
/** A node that is frozen in a transaction holds what it has locked for so long; the others wait for it. */
export const IDLE_IN_TRANSACTION_MS = 3_000;

// store/transaction
/** The first and the longest pause before another attempt. */
export const TRANSACTION_RETRY_FIRST_MS = 5;
export const TRANSACTION_RETRY_MAX_MS = 200;

// store/unread
/** Counted exactly up to here. */
export const MAX_EXACT_UNREAD = 1_000;
/** Most positions one look goes through: about a millisecond of the index. */
export const MAX_UNREAD_LOOK = 10_000;
/** Most positions one look goes through in a query that is shared with others' questions. */
export const MAX_SHARED_LOOK = 1_000;

// store/writer
/** Most attempts after serialization failures, deadlocks and the like. */
export const MAX_BATCH_ATTEMPTS = 8;

// store/store
/** Each says in the file of store/ that is given it what it is of: `DeliveryReadLimits`, `StoreDeps`. */
export const STORE_LIMITS = Object.freeze({
  maxBatch: 1000,
  maxRangeRows: 2000,
  maxPageRows: 500,
  maxInFlight: 2,
  maxPagesInFlight: 4,
  maxWaitingPages: 5_000,
  maxWaitMs: 5_000,
  paceMs: 5,
  maxWaiting: 20_000,
  maxPieceCharacters: 250_000,
  maxPageCharacters: 2_000_000,
  maxContentLength: 4_000,
  maxListPeople: 3_000,
  maxListBytes: 1_000_000,
  maxListLook: 1_000_000,
});

// store/writer-limits
/** Each says in store/writer-limits what it is of. */
export const WRITER_LIMITS = Object.freeze({
  maxQueue: 20_000,
  maxQueueBytes: 64 * 1024 * 1024,
  maxBehindLocked: 1000,
  maxBatch: 1000,
  maxBatchBytes: 4 * 1024 * 1024,
  // While PostgreSQL works on one batch, this process makes the next: measured 1.5 to 2 times one.
  lanes: 2,
  sendDeadlineMs: 5000,
  attemptDeadlineMs: 2000,
});

// store/writer
/** Most connections of the writer: its lanes, and the one for what somebody else has locked. */
export const WRITER_CONNECTIONS = WRITER_LIMITS.lanes + 1;
