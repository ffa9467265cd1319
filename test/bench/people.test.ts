/** One socket in several rooms: whose message it is, and into which room the next one goes. */
import { describe, expect, it } from 'vitest';
import { seatsOfPeople } from '../../bench/load/joining.ts';
import { createPeople } from '../../bench/load/people.ts';

const room = (n: number, members: string[]) => ({
  conversationId: `c0000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  members,
});
const rooms = [room(0, ['a', 'b']), room(1, ['a', 'c']), room(2, ['b', 'c'])];
const client = (index: number) => ({ index, room: 0 });

const frame = (n: number, before = '') => {
  const text = `42["new_message",{${before}"conversation_id":"${rooms[n]?.conversationId}","seq":1}]`;
  const buffer = Buffer.from(`..${text}..`);
  return { buffer, from: 2, to: buffer.length - 2 };
};

describe('people with several rooms', () => {
  it('have one seat each, the further rooms behind the first', () => {
    expect(seatsOfPeople(rooms)).toEqual([
      { userId: 'a', room: 0, further: [1] },
      { userId: 'b', room: 0, further: [2] },
      { userId: 'c', room: 1, further: [2] },
    ]);
  });

  it('hear each room for itself, wherever in the message its id stands', () => {
    const people = createPeople(rooms);
    const [a, b] = [client(0), client(1)];
    for (const n of [0, 1]) people.joined(a, 10 + n, n);
    for (const n of [0, 2]) people.joined(b, 20 + n, n);
    const heard = (by: ReturnType<typeof client>, { buffer, from, to }: ReturnType<typeof frame>) =>
      people.hearerOf(by, buffer, from, to);
    expect(heard(a, frame(1))).toMatchObject({ room: 1, lastSeq: 11 });
    expect(heard(a, frame(0, '"id":"x",'))).toMatchObject({ room: 0, lastSeq: 10 });
    expect(heard(b, frame(2))).toMatchObject({ room: 2, lastSeq: 22 });
    expect(heard(b, frame(0))).not.toBe(heard(a, frame(0)));
    expect(people.hearers.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(() => heard(a, frame(2))).toThrow('a message of another room');
  });

  it('send into all of them in turn', () => {
    const people = createPeople(rooms);
    const b = client(1);
    for (const n of [0, 2]) people.joined(b, 0, n);
    const next = Array.from({ length: 4 }, () => people.nextRoom(b));
    expect(next).toEqual([0, 2, 0, 2]);
  });
});
