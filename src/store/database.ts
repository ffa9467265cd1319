/**
 * PostgreSQL with a deadline on everything: a pool for reads and small writes, and lanes (one
 * connection each) for the writer. A connection that is lost or silent is replaced, not waited for;
 * when the server is back, the next call simply connects.
 *
 * Guarantees: a call settles within `queryDeadlineMs`; at most `maxWaiting` calls wait for one of
 * at most `poolMax` connections; nothing runs twice except inside `transaction`, and what was refused
 * because it had been prepared for other tables. Where epochs are kept,
 * every answer is of the database heard of last: connections to another one are dropped.
 */
import type { Epochs } from './epoch.ts';
import { greet } from './greeting.ts';
import { DatabaseUnavailable, type Link, openLink, type Sql } from './link.ts';
import {
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

export interface DatabaseOptions {
  url: string;
  /** Most connections of the pool; every lane has one more. */
  poolMax: number;
  /** Most calls waiting for a connection of the pool; more are refused. Default 5000. */
  maxWaiting?: number;
  /** Longest time from call to answer, waiting included. */
  queryDeadlineMs: number;
  statementTimeoutMs: number;
  connectTimeoutMs: number;
  idleInTransactionTimeoutMs: number;
  /** Longest wait for a lock; default 0: as long as a statement may take. */
  lockTimeoutMs?: number;
  applicationName: string;
  /** Told by every new connection which database it has reached; left out: nobody asks. */
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
   * PostgreSQL can not answer in time; errors about the statement itself pass through.
   */
  query<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * Runs `work` between BEGIN and COMMIT, again after a serialization failure, a deadlock or a
   * connection lost with the outcome unknown: ONLY for work that may be repeated. Work that resolves
   * with `Unchanged` is rolled back instead.
   */
  transaction<T>(work: (sql: TransactionSql) => Promise<T | Unchanged<T>>): Promise<T>;
  /** A connection apart from the pool, with these session settings. */
  lane(settings?: Record<string, string>): Lane;
  /** Refuses new calls, lets running ones finish for at most `timeoutMs`, then closes everything. */
  close(timeoutMs: number): Promise<void>;
  stats(): { connections: number; busy: number; waiting: number; lost: number };
}

const DEFAULT_MAX_WAITING = 5000;
const MAX_TRANSACTION_ATTEMPTS = 8;
const GOODBYE_MS = 500;

export function createDatabase(options: DatabaseOptions): Database {
  const { queryDeadlineMs, poolMax, log } = options;
  const maxWaiting = options.maxWaiting ?? DEFAULT_MAX_WAITING;
  const links = new Set<Link>();
  const idle: Link[] = [];
  /** Who waits for a connection; called with none, they are refused. */
  const waiting = new Set<(link?: Link) => void>();
  const laneLinks = new Set<Link>();
  const { epochs } = options;
  const epochOf = new WeakMap<Link, string>();
  let closing = false;
  let lost = 0;
  let away = false;
  let onQuiet: (() => void) | undefined;

  function open(home: Set<Link>, settings: Record<string, string> = {}): Link {
    const link = openLink({
      ...options,
      settings,
      lockTimeoutMs: options.lockTimeoutMs ?? 0,
      greet: epochs && (async (sql) => meet(epochs, link, await greet(sql))),
      onGone: () => {
        home.delete(link);
        const at = idle.indexOf(link);
        if (at >= 0) idle.splice(at, 1);
        if (!closing) lost += 1;
        // Its place is free: whoever waits may connect.
        if (home === links) serveNext();
      },
    });
    home.add(link);
    return link;
  }

  function meet(known: Epochs, link: Link, epoch: string): void {
    epochOf.set(link, epoch);
    known.heard(epoch);
  }

  // What is in flight there rejects as lost: it was said by another database.
  epochs?.onChange((epoch) => {
    for (const link of [...links, ...laneLinks]) {
      const its = epochOf.get(link);
      if (its !== undefined && its !== epoch) link.retire();
    }
  });

  function takeFree(): Link | undefined {
    return idle.pop() ?? (links.size < poolMax && !closing ? open(links) : undefined);
  }

  function serveNext(): void {
    for (const give of waiting) {
      const link = takeFree();
      if (link === undefined) return;
      give(link);
    }
  }

  function acquire(deadlineMs: number): Promise<Link> {
    if (closing) return Promise.reject(new DatabaseUnavailable('crowded'));
    const free = waiting.size === 0 ? takeFree() : undefined;
    if (free !== undefined) return Promise.resolve(free);
    if (waiting.size >= maxWaiting) return Promise.reject(new DatabaseUnavailable('crowded'));
    return new Promise((resolve, reject) => {
      const give = (link?: Link): void => {
        clearTimeout(timer);
        waiting.delete(give);
        if (link === undefined) reject(new DatabaseUnavailable('crowded'));
        else resolve(link);
      };
      const timer = setTimeout(give, deadlineMs);
      waiting.add(give);
    });
  }

  function release(link: Link): void {
    if (!link.isGone()) idle.push(link);
    serveNext();
    if (busyCount() === 0 && waiting.size === 0) onQuiet?.();
  }

  const busyCount = (): number => links.size - idle.length;

  async function onPool<T>(work: (sql: Sql) => Promise<T>, deadlineAt: number): Promise<T> {
    const link = await acquire(deadlineAt - performance.now());
    try {
      return noteHealth(await link.run(work, Math.max(0, deadlineAt - performance.now())));
    } catch (error) {
      throw noteFailure(error);
    } finally {
      release(link);
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
      return await onPool(work, deadlineAt).catch((error: unknown) => {
        if (isOutdated(error)) return onPool(work, deadlineAt);
        throw error;
      });
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  async function transaction<T>(
    work: (sql: TransactionSql) => Promise<T | Unchanged<T>>,
  ): Promise<T> {
    const deadlineAt = performance.now() + queryDeadlineMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await onPool((sql) => inTransaction(sql, work), deadlineAt);
      } catch (error) {
        const pauseMs = retryPauseMs(attempt);
        const late = performance.now() + pauseMs >= deadlineAt;
        if (late || attempt === MAX_TRANSACTION_ATTEMPTS || !isRepeatable(error)) {
          throw asUnavailable(error);
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function lane(settings: Record<string, string> = {}): Lane {
    let link: Link | undefined;
    return {
      run: async (work, deadlineMs) => {
        if (closing) throw new DatabaseUnavailable('crowded');
        if (link === undefined || link.isGone()) link = open(laneLinks, settings);
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
    if (busyCount() > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        onQuiet = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const give of waiting) give();
    await Promise.all([...links, ...laneLinks].map((link) => link.end(GOODBYE_MS)));
  }

  return {
    query,
    transaction,
    lane,
    close,
    stats: () => ({
      connections: links.size + laneLinks.size,
      busy: busyCount(),
      waiting: waiting.size,
      lost,
    }),
  };
}
