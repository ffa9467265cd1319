/** Whether a connection is a session of its own, or one of a pooler that lends sessions out for a statement. */
import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { MIGRATE_END_S } from '../bounds/store.ts';
import { inTime } from '../shared/deadline.ts';
import { connectPostgres } from './connect.ts';

const LENT =
  'DATABASE_URL leads to a pooler that lends a connection for a transaction only: let it lend sessions (PgBouncer: pool_mode = session), or name the server itself.';
/**
 * Who reads what the first has set: in such an order that two or three sessions that are lent in turn do not come
 * to the right one each time.
 */
const READERS = ['second', 'second', 'first', 'second', 'first'] as const;

/**
 * Refuses a pooler in transaction or statement mode: settings, prepared statements and the locks of migrations
 * belong to a session, and would be another's at the next statement. It tries what is relied on: what one connection
 * has set, it has set for itself and for good. To be called when the server answers; where there are no two
 * connections to be had in time, nothing is found.
 *
 * @throws Error in one sentence
 */
export async function requireSessions(url: string, deadlineMs: number): Promise<void> {
  const connect = (): postgres.Sql =>
    connectPostgres(url, {
      max: 1,
      // What a pooler in transaction mode may not know how to keep.
      prepare: false,
      connect_timeout: deadlineMs / 1_000,
      connection: { application_name: 'messaging-session-check' },
      onnotice: () => undefined,
    });
  const pair = { first: connect(), second: connect() };
  try {
    const lent = await inTime(areLent(pair), deadlineMs).catch(() => undefined);
    if (lent === true) throw new Error(LENT);
  } finally {
    await Promise.all(Object.values(pair).map((sql) => sql.end({ timeout: MIGRATE_END_S })));
  }
}

async function areLent(pair: Record<'first' | 'second', postgres.Sql>): Promise<boolean> {
  const probe = randomUUID();
  await pair.first.unsafe(`SELECT set_config('messaging.probe', '${probe}', false)`);
  for (const reader of READERS) {
    const [row] = await pair[reader].unsafe<{ probe: string | null }[]>(
      "SELECT current_setting('messaging.probe', true) AS probe",
    );
    if ((row?.probe === probe) !== (reader === 'first')) return true;
  }
  return false;
}
