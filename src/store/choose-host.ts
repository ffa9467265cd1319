/** Which of several hosts of DATABASE_URL takes writes: asked before the first work of a process. */
import { CHOOSE_HOST_PAUSE_MS, MIGRATE_END_S } from '../bounds/store.ts';
import { inTime } from '../shared/deadline.ts';
import { connectPostgres, currentHost, hostsOf, tryNextHost } from './connect.ts';

/**
 * Asks the hosts one after the other, again and again for `deadlineMs`, and leaves the first that takes writes as the
 * one that is tried first. Where only one is named nobody is asked.
 */
export async function chooseHost(url: string, deadlineMs: number): Promise<void> {
  const hosts = hostsOf(url);
  if (hosts === 1) return;
  const giveUpAt = performance.now() + deadlineMs;
  for (let asked = 1; ; asked += 1) {
    const host = currentHost(url);
    if (await takesWrites(url, deadlineMs)) return;
    tryNextHost(url, host);
    if (asked < hosts) continue;
    if (performance.now() > giveUpAt) return;
    if (asked % hosts === 0) await new Promise((go) => setTimeout(go, CHOOSE_HOST_PAUSE_MS));
  }
}

async function takesWrites(url: string, deadlineMs: number): Promise<boolean> {
  const sql = connectPostgres(url, {
    max: 1,
    connect_timeout: deadlineMs / 1_000,
    connection: { application_name: 'messaging-host-check' },
    onnotice: () => undefined,
  });
  try {
    const answer = sql<{ writes: boolean }[]>`
      SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writes`;
    const rows = await inTime(answer, deadlineMs);
    return rows?.[0]?.writes === true;
  } catch {
    // Why it cannot be reached is told by the connection that is made next.
    return false;
  } finally {
    await sql.end({ timeout: MIGRATE_END_S });
  }
}
