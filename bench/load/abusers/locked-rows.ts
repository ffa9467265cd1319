/**
 * Locks the rows of two conversations from outside for the whole run, and sends into them and marks
 * them as read all the while.
 */
import postgres from 'postgres';
import { type Abuser, abusedId, abuserId } from './abuser.ts';
import { keepSockets } from './kept-socket.ts';

const LOCKED = [abusedId(0), abusedId(1)];

export const lockedRows: Abuser = {
  perSecond: { send: 25, mark: 25 },
  mustCome: ['send unavailable'],
  async fill(sql) {
    await sql`INSERT INTO messaging.conversations (id) VALUES (${abusedId(1)})`;
    await sql`INSERT INTO messaging.conversation_participants
      (conversation_id, participant_id, listed_at)
      VALUES (${abusedId(1)}, ${abuserId()}, '2025-01-01')`;
    return 0;
  },
  async begin(place, tell) {
    // One connection, which is the transaction's from BEGIN to ROLLBACK.
    const sql = postgres(place.databaseUrl, { max: 1, onnotice: () => undefined });
    await sql`BEGIN`;
    await sql`SELECT FROM messaging.conversations WHERE id = ANY(${LOCKED}::uuid[])
      ORDER BY id FOR UPDATE`;
    await sql`SELECT FROM messaging.conversation_participants
      WHERE conversation_id = ANY(${LOCKED}::uuid[]) ORDER BY conversation_id FOR UPDATE`;
    const sockets = keepSockets(place, 4, tell);
    const payload = (n: number) => ({ conversation_id: abusedId(n % LOCKED.length) });
    return {
      attempt: {
        send: (n) => sockets.at(n).emit('send', 'send_message', { ...payload(n), content: 'Me' }),
        mark: (n) => sockets.at(n).emit('mark', 'mark_read', payload(n)),
      },
      async end() {
        sockets.end();
        await sql`ROLLBACK`;
        await sql.end();
      },
    };
  },
};
