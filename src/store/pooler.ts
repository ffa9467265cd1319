/** Whether a connection is a session of its own, or one of a pooler that lends sessions out for a statement. */
import type postgres from 'postgres';
import { MIGRATE_END_S } from '../bounds/store.ts';
import { connectPostgres } from './connect.ts';

/** A look can miss it, when somebody else takes the session in between. */
const LOOKS = 3;

/**
 * Refuses a pooler in transaction or statement mode: settings, prepared statements and the locks of migrations
 * belong to a session, and would be another's at the next statement. To be called when the server answers.
 *
 * @throws Error in one sentence
 */
export async function requireSessions(url: string, connectTimeoutMs: number): Promise<void> {
  const connect = (): postgres.Sql =>
    connectPostgres(url, {
      max: 1,
      // What a pooler in transaction mode may not know how to keep.
      prepare: false,
      connect_timeout: connectTimeoutMs / 1_000,
      connection: { application_name: 'messaging-session-check' },
      onnotice: () => undefined,
    });
  const [first, second] = [connect(), connect()];
  try {
    for (let look = 1; look <= LOOKS; look += 1) {
      const before = await backendOf(first);
      // A pooler lends the session that was given back last, which is that of `first` if it was.
      const other = await backendOf(second);
      const after = await backendOf(first);
      if (other === before || after !== before) {
        throw new Error(
          'DATABASE_URL leads to a pooler that lends a connection for a transaction only: let it lend sessions (PgBouncer: pool_mode = session), or name the server itself.',
        );
      }
    }
  } finally {
    await Promise.all([first, second].map((sql) => sql.end({ timeout: MIGRATE_END_S })));
  }
}

async function backendOf(sql: postgres.Sql): Promise<number> {
  const [row] = await sql.unsafe<{ pid: number }[]>('SELECT pg_backend_pid() AS pid');
  return row?.pid ?? 0;
}
