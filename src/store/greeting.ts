/** The first question on every connection: which database this is, whether it takes writes and is whole. */
import { DatabaseUnavailable, type Sql } from './link.ts';
import { requireTriggers } from './triggers.ts';

/**
 * The epoch of the server's database (sql/0010_epoch.sql).
 *
 * @throws DatabaseUnavailable `read_only` when the server is a standby or takes no writes: a session
 *   that began there would refuse every send for as long as it lives; `incomplete` while a dump is restored
 */
export async function greet(sql: Sql): Promise<string> {
  const [[facts]] = await Promise.all([
    sql<{ epoch: string; readOnly: boolean }[]>`
      SELECT messaging.epoch() AS epoch,
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`,
    requireTriggers(sql),
  ]);
  if (facts === undefined || facts.readOnly) throw new DatabaseUnavailable('read_only');
  return facts.epoch;
}
