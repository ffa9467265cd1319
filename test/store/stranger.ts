// Somebody else at the database: another service, or a person with psql, in the middle of a transaction.

import postgres from 'postgres';

export interface Stranger {
  sql: postgres.ReservedSql;
  /** Ends the transaction, by COMMIT unless told otherwise. */
  letGo(how?: 'COMMIT' | 'ROLLBACK'): Promise<void>;
}

/** Begins a transaction on a connection of its own and does `work` in it. */
export async function stranger(
  url: string,
  work: (sql: postgres.ReservedSql) => Promise<unknown>,
): Promise<Stranger> {
  const pool = postgres(url, { max: 1, onnotice: () => undefined });
  const sql = await pool.reserve();
  await sql`BEGIN`;
  await work(sql);
  return {
    sql,
    letGo: async (how = 'COMMIT') => {
      await sql.unsafe(how);
      sql.release();
      await pool.end({ timeout: 1 });
    },
  };
}

/** Locks the rows of conversations as psql does with FOR UPDATE. */
export const lockRows = (url: string, ids: readonly string[]): Promise<Stranger> =>
  stranger(
    url,
    (sql) => sql`SELECT FROM messaging.conversations WHERE id = ANY(${ids}) FOR UPDATE`,
  );
