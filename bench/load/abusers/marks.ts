/** Marks one message after another as read, 500 a second of one person on several sockets. */
import { type Abuser, abusedId } from './abuser.ts';
import { addMessages } from './filling.ts';
import { keepSockets } from './kept-socket.ts';

const SOCKETS = 10;
const MESSAGES = 20_000;

export const marks: Abuser = {
  perSecond: { mark: 500 },
  mustCome: ['mark accepted'],
  fill: (sql) => addMessages(sql, MESSAGES),
  begin(place, tell) {
    const sockets = keepSockets(place, SOCKETS, tell);
    const payload = (n: number) => ({
      conversation_id: abusedId(),
      up_to_seq: 1 + (n % MESSAGES),
    });
    return {
      attempt: { mark: (n) => sockets.at(n).emit('mark', 'mark_read', payload(n)) },
      end: sockets.end,
    };
  },
};
