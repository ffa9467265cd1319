/**
 * Whether anybody is there: a connection that is accepted and closed without a word (a proxy before a
 * database that is down) makes the driver connect again at once, without end.
 */
import type postgres from 'postgres';
import { inTime } from '../shared/deadline.ts';

/**
 * Resolves when the server has answered once.
 *
 * @throws Error in one sentence after `deadlineMs`, with the connection ended; else what the driver says
 */
export async function awaitFirstAnswer(sql: postgres.Sql, deadlineMs: number): Promise<void> {
  const answered = await inTime(
    sql`SELECT 1`.then(() => true),
    deadlineMs,
  );
  if (answered === true) return;
  await sql.end({ timeout: 0 });
  throw new Error(`PostgreSQL does not answer within ${deadlineMs / 1000} s.`);
}
