/**
 * PostgreSQL with a deadline on everything: a pool for reads and small writes, and lanes (one
 * connection each) for the writer. A connection that is lost or silent is replaced, not waited for;
 * when the server is back, the next call simply connects.
 *
 * Guarantees: a call settles within `queryDeadlineMs`; at most `maxWaiting` calls wait for one of
 * at most `poolMax` connections; none of these waits for longer than LOCK_WAIT_MS for a lock, and
 * what needs one that somebody else holds is tried again until the deadline; nothing else runs twice
 * except inside `transaction`, and what was refused because it had been prepared for other tables.
 * Where epochs are kept, every answer is of the database heard of last: connections to another one
 * are dropped.
 */
import {
  GOODBYE_MS,
  LOCK_WAIT_MS,
  LOCKED_LINE_SHARE,
  LOCKED_SHARE,
  MAX_TRANSACTION_ATTEMPTS,
} from '../bounds/store.ts';
import type { Epochs } from './epoch.ts';
import { greet } from './greeting.ts';
import { DatabaseUnavailable, type Link, openLink, type Sql } from './link.ts';
import { createLockTurns } from './lock-turns.ts';
import { createPool } from './pool.ts';
import {
  type Attempt,
  asUnavailable,
  cleanlyOn,
  inTransaction,
  isOutdated,
  isRepeatable,
  retryPauseMs,
  type Unchanged,
} from './transaction.ts';

export { DatabaseUnavailable, type Sql } from './link.ts';
/** The `sql` inside `transaction`: plain statements only, BEGIN and COMMIT are ours. */
export type TransactionSql = Sql;

/** The part of a logger this layer uses (pino's shape). */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface DatabaseDeps {
  url: string;
  /** Most connections of the pool; every lane has one more. */
  poolMax: number;
  /** Most calls waiting for a connection of the pool; more are refused. */
  maxWaiting: number;
  /** Longest time from call to answer, waiting included. */
  queryDeadlineMs: number;
  statementTimeoutMs: number;
  connectTimeoutMs: number;
  idleInTransactionTimeoutMs: number;
  applicationName: string;
  /** Learns from every new connection which database it has reached; left out: nobody asks. */
  epochs?: Epochs;
  log: Log;
}

export interface Lane {
  /**
   * Runs `work` on this lane's connection, opened afresh if it is gone. One call at a time.
   * Database errors pass through as they are; a lost connection or a missed deadline rejects with
   * DatabaseUnavailable, whose `reason` says whether anything may have been executed.
   * A transaction left open by a rejected `work` is rolled back.
   */
  run<T>(work: (sql: Sql) => Promise<T>, deadlineMs: number): Promise<T>;
}

export interface Database {
  /**
   * Runs `work` on a connection of the pool. Statements issued without awaiting the one before are
   * pipelined; await them together (`Promise.all`). Rejects with ChatError('unavailable') when
   * PostgreSQL cannot answer in time; errors about the statement itself pass through. Runs again when
   * a lock was not to be had in time: work of several statements must be repeatable.
   */
  query<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * Runs `work` between BEGIN and COMMIT, again after a serialization failure, a deadlock, a lock that
   * was not to be had or a connection lost with the outcome unknown: ONLY for work that may be repeated.
   * Work that resolves with `Unchanged` is rolled back instead.
   *
   * @param key what it locks, such as a conversation's id: one at a time works under it
   */
  transaction<T>(
    work: (sql: TransactionSql, attempt: Attempt) => Promise<T | Unchanged<T>>,
    key?: string | null,
  ): Promise<T>;
  /**
   * As `transaction`, for work that is one statement, and so a transaction by itself: it travels without
   * BEGIN and COMMIT, in one round trip.
   */
  statement<T>(work: (sql: Sql, attempt: Attempt) => Promise<T>, key?: string | null): Promise<T>;
  /** A connection apart from the pool, with these session settings. */
  lane(settings?: Record<string, string>): Lane;
  /** Refuses new calls, lets running ones finish for at most `timeoutMs`, then closes everything. */
  close(timeoutMs: number): Promise<void>;
  stats(): DatabaseStats;
}

export interface DatabaseStats {
  connections: number;
  /** Connections of the pool that are at work. */
  busy: number;
  /** Calls that wait for a connection of the pool. */
  waiting: number;
  /** Calls waiting for what somebody has locked, and for their turn at it. */
  lockWaiting: number;
  /** Connections lost or given up so far. */
  lost: number;
}

/** The database of one process. Returns at once; connections are opened when they are needed. */
export function createDatabase(deps: DatabaseDeps): Database {
  const { queryDeadlineMs, poolMax, maxWaiting, log } = deps;
  const pool = createPool({ max: poolMax, maxWaiting, open: (onGone) => open(onGone) });
  const turns = createLockTurns({
    seats: Math.ceil(poolMax * LOCKED_SHARE),
    maxWaiting,
    maxWaitingOnKey: Math.ceil(maxWaiting * LOCKED_LINE_SHARE),
  });
  const laneLinks = new Set<Link>();
  const { epochs } = deps;
  const epochOf = new WeakMap<Link, string>();
  let closing = false;
  let lost = 0;
  let away = false;

  function open(onGone: (link: Link) => void, settings: Record<string, string> = {}): Link {
    const link = openLink({
      ...deps,
      settings,
      lockTimeoutMs: LOCK_WAIT_MS,
      greet: epochs && (async (sql) => meet(epochs, link, await greet(sql))),
      onGone: () => {
        if (!closing) lost += 1;
        onGone(link);
      },
    });
    return link;
  }

  function meet(known: Epochs, link: Link, epoch: string): void {
    epochOf.set(link, epoch);
    known.heard(epoch);
  }

  // What is in flight there rejects as lost: it was said by another database.
  epochs?.onChange((epoch) => {
    for (const link of [...pool.links(), ...laneLinks]) {
      const its = epochOf.get(link);
      if (its !== undefined && its !== epoch) link.retire();
    }
  });

  async function onPool<T>(work: (sql: Sql) => Promise<T>, deadlineAt: number): Promise<T> {
    const link = await pool.acquire(deadlineAt - performance.now());
    try {
      return noteHealth(await link.run(work, Math.max(0, deadlineAt - performance.now())));
    } catch (error) {
      throw noteFailure(error);
    } finally {
      pool.release(link);
    }
  }

  function noteHealth<T>(value: T): T {
    if (away) {
      away = false;
      log.info({}, 'PostgreSQL answers again');
    }
    return value;
  }

  function noteFailure(error: unknown): unknown {
    if (error instanceof DatabaseUnavailable && error.reason !== 'outdated' && !away) {
      away = true;
      const { reason, cause } = error;
      log.warn(
        cause === undefined ? { reason } : { reason, err: cause },
        'PostgreSQL does not answer',
      );
    }
    return error;
  }

  async function query<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const deadlineAt = performance.now() + queryDeadlineMs;
    try {
      return await turns.run(null, deadlineAt, () =>
        onPool(work, deadlineAt).catch((error: unknown) => {
          if (isOutdated(error)) return onPool(work, deadlineAt);
          throw error;
        }),
      );
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  /** Runs `attemptOnce`, which is a transaction, until PostgreSQL has carried it out or refused it for good. */
  async function repeatedly<T>(
    attemptOnce: (sql: Sql, attempt: Attempt) => Promise<T>,
    key: string | null,
  ): Promise<T> {
    const deadlineAt = performance.now() + queryDeadlineMs;
    let mayBeDone = false;
    const once = (waits: boolean): Promise<T> =>
      onPool((sql) => attemptOnce(sql, { mayBeDone, waits }), deadlineAt);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await turns.run(key, deadlineAt, once);
      } catch (error) {
        const pauseMs = retryPauseMs(attempt);
        const late = performance.now() + pauseMs >= deadlineAt;
        if (late || attempt === MAX_TRANSACTION_ATTEMPTS || !isRepeatable(error)) {
          throw asUnavailable(error);
        }
        mayBeDone ||= error instanceof DatabaseUnavailable && error.reason === 'lost';
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function lane(settings: Record<string, string> = {}): Lane {
    let link: Link | undefined;
    return {
      run: async (work, deadlineMs) => {
        if (closing) throw new DatabaseUnavailable('crowded');
        if (link === undefined || link.isGone()) {
          link = open((gone) => laneLinks.delete(gone), settings);
          laneLinks.add(link);
        }
        try {
          return noteHealth(await link.run((sql) => cleanlyOn(sql, work), deadlineMs));
        } catch (error) {
          throw noteFailure(error);
        }
      },
    };
  }

  async function close(timeoutMs: number): Promise<void> {
    closing = true;
    turns.close();
    await pool.drain(timeoutMs);
    await Promise.all([...pool.links(), ...laneLinks].map((link) => link.end(GOODBYE_MS)));
  }

  return {
    query,
    transaction: (work, key = null) =>
      repeatedly((sql, attempt) => inTransaction(sql, () => work(sql, attempt)), key),
    statement: (work, key = null) => repeatedly(work, key),
    lane,
    close,
    stats: () => {
      const { connections, busy, waiting } = pool.stats();
      const all = connections + laneLinks.size;
      return { connections: all, busy, waiting, lockWaiting: turns.waiting(), lost };
    },
  };
}
