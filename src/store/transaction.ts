/** Transactions, and which failures of them pass by themselves. */
import { TRANSACTION_RETRY_FIRST_MS, TRANSACTION_RETRY_MAX_MS } from '../bounds/store.ts';
import { DatabaseUnavailable, isServerError, type Sql } from './link.ts';

/** What work in a transaction is told of the attempt it is part of. */
export interface Attempt {
  /** Whether an earlier attempt may have been committed, its reply lost. */
  mayBeDone: boolean;
  /** Whether it may wait for a row, for LOCK_WAIT_MS; else it throws RowLocked. */
  waits: boolean;
}

/**
 * What `work` resolves with when it has written nothing: its locks are let go by ROLLBACK, which does
 * not wait for the disk. A row lock alone makes COMMIT wait, and a refusal would take longer where
 * there is a row to lock than where there is none.
 */
export class Unchanged<T> {
  readonly value: T;
  constructor(value: T) {
    this.value = value;
  }
}

/**
 * BEGIN and COMMIT around `work`, or ROLLBACK when it says that nothing changed; BEGIN travels with
 * its first statement.
 */
export async function inTransaction<T>(
  sql: Sql,
  work: (sql: Sql) => Promise<T | Unchanged<T>>,
): Promise<T> {
  return cleanlyOn(sql, async () => {
    // A query of postgres.js is sent when it is awaited: without execute(), after work's first ones.
    const [, value] = await Promise.all([sql.unsafe('BEGIN').execute(), work(sql)]);
    if (value instanceof Unchanged) {
      await sql.unsafe('ROLLBACK');
      return value.value;
    }
    const ended = await sql.unsafe('COMMIT');
    // A COMMIT after a swallowed error is answered with ROLLBACK, not with an error.
    if (ended.command !== 'COMMIT') throw new Error('The transaction was rolled back');
    return value;
  });
}

/** Leaves no transaction open when `work` fails. ROLLBACK outside of one only gives a notice. */
export async function cleanlyOn<T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> {
  try {
    return await work(sql);
  } catch (error) {
    // Fails only when the connection is gone, and then the server rolls back by itself.
    await sql.unsafe('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

/** Whether PostgreSQL undid the transaction for reasons that will pass. */
function isSerializationFailure(error: unknown): boolean {
  return (
    isServerError(error) &&
    (error.code === SERIALIZATION_FAILURE || error.code === DEADLOCK_DETECTED)
  );
}

/** Whether work that may be repeated should be. */
export function isRepeatable(error: unknown): boolean {
  if (isSerializationFailure(error)) return true;
  if (!(error instanceof DatabaseUnavailable)) return false;
  return error.reason === 'lost' || error.reason === 'read_only' || isOutdated(error);
}

/** Whether the tables were altered under a prepared statement, which therefore did not run. */
export function isOutdated(error: unknown): boolean {
  return error instanceof DatabaseUnavailable && error.reason === 'outdated';
}

/** A pause before attempt `attempt + 1`, with jitter so that rivals do not meet again. */
export function retryPauseMs(attempt: number): number {
  return (
    Math.min(TRANSACTION_RETRY_FIRST_MS * 2 ** attempt, TRANSACTION_RETRY_MAX_MS) *
    (0.5 + Math.random() / 2)
  );
}

// SQLSTATE classes and codes that say "not now" rather than "not this": connection exception,
// insufficient resources, operator intervention (statement timeout too), system error, transaction
// rollback, lock not available, read-only transaction (a server failed over), and a schema, function or
// table that is not there (a dump is being restored).
const NOT_NOW = /^(08|53|57|58|40)|^55P03$|^25006$|^3F000$|^42883$|^42P01$/;

/** `error`, as DatabaseUnavailable where the server could not do the work at this moment. */
export function asUnavailable(error: unknown): unknown {
  if (isServerError(error) && NOT_NOW.test(error.code)) {
    return new DatabaseUnavailable('overloaded', error);
  }
  return error;
}
