/** The first question on every connection: which database this is, and whether it takes writes. */
import { DatabaseUnavailable, type Sql } from './link.ts';

/**
 * The epoch of the server's database (sql/0010_epoch.sql).
 *
 * @throws DatabaseUnavailable `read_only` when the server is a standby or takes no writes: a session
 *   that began there would refuse every send for as long as it lives
 */
export async function greet(sql: Sql): Promise<string> {
  const [facts] = await sql<{ epoch: string; readOnly: boolean }[]>`
    SELECT messaging.epoch() AS epoch,
      pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`;
  if (facts === undefined || facts.readOnly) throw new DatabaseUnavailable('read_only');
  return facts.epoch;
}
