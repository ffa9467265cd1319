/**
 * Positions that sockets have heard and PostgreSQL has lost since (a standby took over without the last
 * commits, a backup was restored). A client that comes back with one of them is told to read again.
 */
import { LOST_FUTURE_LIFE_S } from '../bounds/store.ts';
import type { LostFuture } from '../chat/ports.ts';
import type { Database } from './database.ts';

/**
 * Notes that sockets have heard messages which PostgreSQL has lost, and forgets what was noted long
 * ago.
 */
export async function noteLostFuture(
  database: Database,
  { conversationId, afterSeq, upToSeq }: LostFuture,
): Promise<void> {
  await database.query((sql) =>
    Promise.all([
      sql`
        DELETE FROM messaging.lost_futures
        WHERE noticed_at < CURRENT_TIMESTAMP - make_interval(secs => ${LOST_FUTURE_LIFE_S})`,
      sql`
        INSERT INTO messaging.lost_futures AS known (conversation_id, after_seq, up_to_seq)
        SELECT c.id, ${afterSeq}, ${upToSeq}
        FROM messaging.conversations c WHERE c.id = ${conversationId}
        ON CONFLICT (conversation_id) DO UPDATE SET
          after_seq = least(known.after_seq, excluded.after_seq),
          up_to_seq = greatest(known.up_to_seq, excluded.up_to_seq),
          noticed_at = excluded.noticed_at`,
    ]),
  );
}
