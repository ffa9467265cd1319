/** Asks for the list of one person in many large conversations, forty times at once. */
import { tokenOf } from '../credentials.ts';
import { type Abuser, abuserId } from './abuser.ts';
import { addPeople } from './filling.ts';
import { createRestCalls } from './rest-calls.ts';

const AT_ONCE = 40;
const CONVERSATIONS = 500;
const PARTICIPANTS = 256;

export const largeLists: Abuser = {
  perSecond: { list: 90 },
  mustCome: ['list accepted'],
  async fill(sql, scale) {
    const people = Array.from({ length: PARTICIPANTS }, (_, n) => abuserId(n));
    await addPeople(sql, people);
    await sql`INSERT INTO messaging.conversations (id)
      SELECT md5('large' || n)::uuid FROM generate_series(1, ${CONVERSATIONS * scale}::int) n`;
    await sql`INSERT INTO messaging.conversation_participants
      (conversation_id, participant_id, listed_at)
      SELECT md5('large' || n)::uuid, p, timestamp '2025-01-01' + n * interval '1 minute'
      FROM generate_series(1, ${CONVERSATIONS * scale}::int) n, unnest(${people}::uuid[]) p`;
    await sql`ANALYZE messaging.conversation_participants`;
    return 0;
  },
  begin(place, tell) {
    const calls = createRestCalls(place.port, AT_ONCE, tell);
    const call = {
      path: `/messages/conversations/${abuserId()}?limit=${CONVERSATIONS}`,
      token: tokenOf(abuserId(), place.tokenSecret),
      address: '192.0.2.1',
    };
    return { attempt: { list: () => calls.make('list', call) }, end: calls.end };
  },
};
