/**
 * What a writer's connection needs beside the statement, and needs anew from time to time: plans that fit
 * the tables, and PostgreSQL's clock, so that a deadline can be said in a way that PostgreSQL can judge when
 * it comes to a message, however long that took.
 */
import { SESSION_RENEW_MS } from '../bounds/store.ts';
import { forgetPlans, readClock } from './append-statements.ts';
import type { Sql } from './link.ts';

interface Session {
  /** PostgreSQL's clock less ours, in milliseconds; at most what it really is. */
  aheadMs: number;
  renewedAt: number;
}

export interface AppendSessions {
  /**
   * How far PostgreSQL's clock (milliseconds since 1970) is ahead of performance.now(); no more than it really
   * is. Asks PostgreSQL on a new connection and every SESSION_RENEW_MS.
   */
  aheadMs(sql: Sql): Promise<number>;
  /** PostgreSQL's clock does not agree with what was made of it: ask again. */
  doubt(sql: Sql): void;
}

/** What is known of the writer's sessions; of one it is learnt when it is first asked about. */
export function createAppendSessions(): AppendSessions {
  const sessions = new WeakMap<Sql, Session>();

  async function renew(sql: Sql): Promise<Session> {
    // execute() sends now, and in this order: the clock's own plan is not worth forgetting.
    const [, [clock]] = await Promise.all([forgetPlans(sql).execute(), readClock(sql).execute()]);
    const renewedAt = performance.now();
    if (clock === undefined) throw new Error('PostgreSQL did not say what time it is');
    // Read at some time before its answer came: as if it had been then.
    const session = { aheadMs: clock.now_ms - renewedAt, renewedAt };
    sessions.set(sql, session);
    return session;
  }

  return {
    aheadMs: async (sql) => {
      const known = sessions.get(sql);
      const isFresh = known !== undefined && performance.now() - known.renewedAt < SESSION_RENEW_MS;
      return (isFresh ? known : await renew(sql)).aheadMs;
    },
    doubt: (sql) => {
      sessions.delete(sql);
    },
  };
}
