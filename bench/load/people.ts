/** Sockets that have joined several rooms each: whose a message is, and where the next one goes. */
import type { Client } from './client.ts';
import type { Hearer } from './ledger.ts';
import type { Room } from './plan.ts';

const ROOM_KEY = Buffer.from('"conversation_id":"');
const ID_LENGTH = 36;

type Who = Pick<Client, 'index' | 'room'>;

interface Person {
  heardIn: Map<number, Hearer>;
  rooms: number[];
  turns: number;
}

export function createPeople(rooms: readonly Room[]) {
  const hearers: Hearer[] = [];
  const people: Person[] = [];
  const roomOf = new Map(rooms.map(({ conversationId }, room) => [conversationId, room]));
  /** Where the id was found last: the same place in every message, mostly. */
  let idPlace = 0;

  function idOf(buffer: Buffer, from: number, to: number): string {
    const at = from + idPlace;
    if (buffer.compare(ROOM_KEY, 0, ROOM_KEY.length, at, at + ROOM_KEY.length) !== 0) {
      const found = buffer.indexOf(ROOM_KEY, from);
      if (found < 0 || found >= to) return '';
      idPlace = found - from;
    }
    const start = from + idPlace + ROOM_KEY.length;
    return buffer.toString('latin1', start, start + ID_LENGTH);
  }

  return {
    /** One for each person in each room. */
    hearers,

    joined(client: Who, lastSeq: number, room: number): void {
      // Not all in the same room of theirs first.
      const person: Person = people[client.index] ?? {
        heardIn: new Map(),
        rooms: [],
        turns: client.index,
      };
      people[client.index] = person;
      const hearer = { index: hearers.length, room, lastSeq, received: 0 };
      hearers.push(hearer);
      person.heardIn.set(room, hearer);
      person.rooms.push(room);
    },

    /** @throws Error when the message is of a room that the client has not joined */
    hearerOf(client: Who, buffer: Buffer, from: number, to: number): Hearer {
      const id = idOf(buffer, from, to);
      const hearer = people[client.index]?.heardIn.get(roomOf.get(id) ?? -1);
      if (hearer === undefined) throw new Error(`a message of another room: ${id}`);
      return hearer;
    },

    /** Into which of their rooms the next message goes: each in its turn. */
    nextRoom(client: Who): number {
      const person = people[client.index];
      if (person === undefined) return client.room;
      person.turns += 1;
      return person.rooms[person.turns % person.rooms.length] ?? client.room;
    },
  };
}
