/**
 * Whether anybody is there: a connection that is accepted and closed without a word (a proxy before a
 * database that is down) makes the driver connect again at once, without end.
 */
import type postgres from 'postgres';
import { inTime } from '../shared/deadline.ts';
import { reasonOf } from '../shared/reason.ts';

/**
 * Resolves when the server has answered once.
 *
 * @param setting what names the server to the operator
 * @throws Error in one sentence that names it: after `deadlineMs`, with the connection ended, or when
 *   the server cannot be reached or does not let us in
 */
export async function awaitFirstAnswer(
  sql: postgres.Sql,
  deadlineMs: number,
  setting = 'DATABASE_URL',
): Promise<void> {
  const answered = await inTime(
    sql`SELECT 1`.then(() => true),
    deadlineMs,
  ).catch((cause: unknown) => {
    // Its words (`getaddrinfo ENOTFOUND db`, `role "nobody" does not exist`) name nothing that can be set.
    throw new Error(`PostgreSQL cannot be used (${setting}): ${reasonOf(cause)}`, { cause });
  });
  if (answered === true) return;
  await sql.end({ timeout: 0 });
  throw new Error(
    `PostgreSQL cannot be used (${setting}): no answer within ${deadlineMs / 1000} s`,
  );
}
