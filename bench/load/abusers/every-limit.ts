/**
 * Exceeds every limit: one person's sends on several sockets, a socket that floods events, an address
 * that opens connections, one whose handshakes fail, REST requests.
 */
import { credentialOf, tokenOf } from '../credentials.ts';
import { type Abuser, abusedId, abuserId } from './abuser.ts';
import { keepSocket, keepSockets } from './kept-socket.ts';
import { createOnce } from './once.ts';
import { createRestCalls } from './rest-calls.ts';

const SEND_SOCKETS = 4;
/** Documentation addresses (RFC 5737): its sockets and requests, its connections, its handshakes. */
const [OWN, OPENING, FAILING] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];

/** A socket is cut at ten times its limit. */
export const everyLimit: Abuser = {
  perSecond: { send: 200, event: 1_500, connection: 200, handshake: 50, request: 400 },
  mustCome: ['send', 'event', 'connection', 'handshake', 'request'].map(
    (kind) => `${kind} rate_limited`,
  ),
  begin(place, tell, ending) {
    const senders = keepSockets(place, SEND_SOCKETS, tell);
    const flooder = keepSocket(place, OWN, tell);
    const once = createOnce(place.port, tell, ending);
    const calls = createRestCalls(place.port, 100, tell);
    const credential = credentialOf(abuserId(), place.tokenSecret);
    const token = tokenOf(abuserId(), place.tokenSecret);
    const conversation_id = abusedId();
    return {
      attempt: {
        send: (n) =>
          senders.at(n).emit('send', 'send_message', { conversation_id, content: 'Me again' }),
        event: () => flooder.emit('event', 'typing_start', { conversation_id }),
        connection: () => once.make('connection', { credential, address: OPENING }),
        handshake: () => once.make('handshake', { credential: 'token=none', address: FAILING }),
        request: () =>
          calls.make('request', {
            path: `/messages/${conversation_id}?limit=1`,
            token,
            address: OWN,
          }),
      },
      end() {
        senders.end();
        flooder.end();
        calls.end();
      },
    };
  },
};
