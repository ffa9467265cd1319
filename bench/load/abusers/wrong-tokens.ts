/**
 * Guesses tokens through every door: CONNECT, `refresh_token` on open sockets, REST; from one network,
 * and, over REST, from an address of its own each time.
 */
import { tokenOf } from '../credentials.ts';
import { type Abuser, abuserId } from './abuser.ts';
import { keepSockets } from './kept-socket.ts';
import { createOnce } from './once.ts';
import { createRestCalls } from './rest-calls.ts';

const WRONG_SECRET = 'this is not the secret that the server has';
const SOCKETS = 5;
/** One of the guesser's network (RFC 3849), which has as many as one likes. */
const ofNetwork = (n: number): string => `2001:db8::${(n & 0xffff).toString(16)}`;
const ofNobody = (n: number): string => `198.19.${(n >> 8) & 255}.${n & 255}`;

export const wrongTokens: Abuser = {
  perSecond: { handshake: 100, refresh: 300, call: 100, address: 100 },
  mustCome: [
    'handshake rate_limited',
    // Refreshes end in one of two ways: the address is stopped first, or the socket after a few.
    'call rate_limited',
    'address unauthenticated',
  ],
  begin(place, tell, ending) {
    const once = createOnce(place.port, tell, ending);
    const sockets = keepSockets(place, SOCKETS, tell);
    const calls = createRestCalls(place.port, 100, tell);
    const path = `/messages/conversations/${abuserId()}`;
    // Each another one, as those of a guesser are.
    const guess = (n: number): string => tokenOf(abuserId(n), WRONG_SECRET);
    return {
      attempt: {
        handshake: (n) =>
          once.make('handshake', { credential: `token=${guess(n)}`, address: ofNetwork(n) }),
        refresh: (n) => sockets.at(n).emit('refresh', 'refresh_token', { token: guess(n) }),
        call: (n) => calls.make('call', { path, token: guess(n), address: ofNetwork(n) }),
        address: (n) => calls.make('address', { path, token: guess(n), address: ofNobody(n) }),
      },
      end() {
        sockets.end();
        calls.end();
      },
    };
  },
};
