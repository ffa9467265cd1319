/**
 * Begins what is large and never ends it: binary packets whose last attachment never comes, REST
 * bodies that stop half-way; and, without identity, the worst JSON that fits into a packet.
 */
import { request } from 'node:http';
import { credentialOf, tokenOf } from '../credentials.ts';
import { type Abuser, abusedId, abuserId } from './abuser.ts';
import { createOnce } from './once.ts';

const PACKET_BYTES = 900_000;
const MAX_BODIES = 100;
const ATTACHMENT = Buffer.alloc(PACKET_BYTES, 'a');
const HALF_A_BODY = `{"content":"${'a'.repeat(PACKET_BYTES / 2)}`;
/** Two characters for an object, twenty times as many bytes once it is parsed. */
const WORST = `40[${'{},'.repeat(PACKET_BYTES / 3)}{}]`;
const PACKET = `452-${JSON.stringify([
  'send_message',
  {
    conversation_id: abusedId(),
    content: { _placeholder: true, num: 0 },
    media_url: { _placeholder: true, num: 1 },
  },
])}`;

export const halfSent: Abuser = {
  perSecond: { packet: 20, body: 10, stranger: 20 },
  mustCome: ['stranger cut'],
  begin(place, tell, ending) {
    const { port, tokenSecret } = place;
    const once = createOnce(port, tell, ending);
    const credential = credentialOf(abuserId(), tokenSecret);
    const authorization = `Bearer ${tokenOf(abuserId(), tokenSecret)}`;
    let bodies = 0;

    function beginBody(address: string): boolean {
      if (bodies >= MAX_BODIES) return false;
      bodies += 1;
      const call = request({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: `/messages/${abusedId()}`,
        agent: false,
        signal: ending,
        headers: {
          authorization,
          'content-type': 'application/json',
          'content-length': PACKET_BYTES,
          'x-forwarded-for': address,
        },
      });
      call.on('response', (answer) => answer.resume());
      call.on('error', () => undefined);
      call.on('close', () => {
        bodies -= 1;
        tell('body', ending.aborted ? 'kept' : 'cut');
      });
      call.write(HALF_A_BODY);
      return true;
    }

    const address = (n: number): string => `198.19.${(n >> 8) & 255}.${n & 255}`;
    return {
      attempt: {
        packet: (n) =>
          once.make('packet', {
            credential,
            address: address(n),
            stay(client) {
              client.send(PACKET);
              client.sendBytes(ATTACHMENT);
            },
          }),
        body: (n) => beginBody(address(n)),
        stranger: (n) =>
          once.make('stranger', { credential: '', address: address(n), connect: WORST }),
      },
      end: () => undefined,
    };
  },
};
