/** Which of several hosts of DATABASE_URL takes writes: asked before the first work. */
import { MIGRATE_END_S } from '../bounds/store.ts';
import { inTime } from '../shared/deadline.ts';
import { connectPostgres, currentHost, hostsOf, tryNextHost } from './connect.ts';

/**
 * Asks the hosts one after the other, and leaves the first that takes writes as the one that is tried first; where
 * there is none, or only one is named, all stays as it was.
 */
export async function chooseHost(url: string, connectTimeoutMs: number): Promise<void> {
  const hosts = hostsOf(url);
  for (let asked = 0; hosts > 1 && asked < hosts; asked += 1) {
    const host = currentHost(url);
    if (await takesWrites(url, connectTimeoutMs)) return;
    tryNextHost(url, host);
  }
}

async function takesWrites(url: string, connectTimeoutMs: number): Promise<boolean> {
  const sql = connectPostgres(url, {
    max: 1,
    connect_timeout: connectTimeoutMs / 1_000,
    connection: { application_name: 'messaging-host-check' },
    onnotice: () => undefined,
  });
  try {
    const answer = sql<{ writes: boolean }[]>`
      SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writes`;
    const rows = await inTime(answer, connectTimeoutMs);
    return rows?.[0]?.writes === true;
  } catch {
    // Why it cannot be reached is told by the connection that is made next.
    return false;
  } finally {
    await sql.end({ timeout: MIGRATE_END_S });
  }
}
