/**
 * Has many told of much: creates conversations with fifty people, the others among them, and adds one
 * person after another to such a one.
 */
import { tokenOf } from '../credentials.ts';
import { userId } from '../ids.ts';
import { type Abuser, abusedId, abuserId } from './abuser.ts';
import { addPeople } from './filling.ts';
import { createRestCalls } from './rest-calls.ts';

const ADDED = 200;
const TOLD = Array.from({ length: 50 }, (_, n) => userId(n));

export const fanOut: Abuser = {
  perSecond: { create: 40, change: 40 },
  mustCome: ['create accepted', 'create rate_limited', 'change rate_limited'],
  async fill(sql) {
    await addPeople(sql, [...TOLD, ...Array.from({ length: ADDED }, (_, n) => abuserId(1 + n))]);
    await sql`INSERT INTO messaging.conversation_participants
      (conversation_id, participant_id, listed_at)
      SELECT ${abusedId()}::uuid, p, '2025-01-01' FROM unnest(${TOLD}::uuid[]) p`;
    return 0;
  },
  begin(place, tell) {
    const calls = createRestCalls(place.port, 40, tell);
    const caller = { token: tokenOf(abuserId(), place.tokenSecret), address: '192.0.2.1' };
    const body = { participant_ids: [abuserId(), ...TOLD] };
    const participants = `/messages/${abusedId()}/participants`;
    return {
      attempt: {
        create: () => calls.make('create', { ...caller, method: 'POST', path: '/messages', body }),
        change(n) {
          const path = `${participants}/${abuserId(1 + (n % ADDED))}`;
          return calls.make('change', { ...caller, method: 'PUT', path });
        },
      },
      end: calls.end,
    };
  },
};
