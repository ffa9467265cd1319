/** Joins and leaves a conversation with very many unread messages, on a hundred sockets of one person. */
import { type Abuser, abusedId } from './abuser.ts';
import { addMessages } from './filling.ts';
import { keepSockets } from './kept-socket.ts';

const SOCKETS = 100;
const UNREAD = 500_000;

export const unreadJoins: Abuser = {
  perSecond: { visit: 1_200 },
  mustCome: ['join accepted'],
  fill: (sql, scale) => addMessages(sql, UNREAD * scale),
  begin(place, tell) {
    const sockets = keepSockets(place, SOCKETS, tell);
    const conversation_id = abusedId();
    return {
      attempt: {
        // In every other turn all of them join.
        visit(n) {
          const kind = Math.floor(n / SOCKETS) % 2 === 0 ? 'join' : 'leave';
          return sockets.at(n).emit(kind, `${kind}_conversation`, { conversation_id });
        },
      },
      end: sockets.end,
    };
  },
};
