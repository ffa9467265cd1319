/**
 * Work that takes place in one transaction, all of it: `atomic` makes sure that BEGIN is on its way
 * before the first statement. postgres.js sends a statement when it is awaited, so of two awaited in
 * one turn the inner one goes first; one turn of the microtask queue puts BEGIN ahead. Without it a
 * lock taken by the first statement would end with that statement.
 */
import type { Database, TransactionSql } from './database.ts';

/** `database.transaction` for work that pipelines its first statements. May run `work` again. */
export function atomic<T>(
  database: Database,
  work: (sql: TransactionSql) => Promise<T>,
): Promise<T> {
  return database.transaction(async (sql) => {
    await undefined;
    return work(sql);
  });
}
