/** Connecting and joining many clients, so many at a time. */
import { Client, type ClientEvents } from './client.ts';
import { credentialOf } from './credentials.ts';
import type { Room } from './plan.ts';
import { createTurns } from './turns.ts';

/** The acknowledgement id of every join. */
const JOIN_ACK = 999_999_999;

const LAST_SEQ = Buffer.from('"last_seq":');

export interface Seat {
  room: number;
  userId: string;
  /** Rooms that the same socket joins after the first. */
  further?: number[];
}

/** One seat for each member of each room. */
export function seatsOf(rooms: readonly Room[]): Seat[] {
  return rooms.flatMap(({ members }, room) => members.map((userId) => ({ room, userId })));
}

/** One seat for each person, however many rooms they are in. */
export function seatsOfPeople(rooms: readonly Room[]): Seat[] {
  const seats = new Map<string, Seat>();
  for (const { room, userId } of seatsOf(rooms)) {
    const seat = seats.get(userId);
    if (seat === undefined) seats.set(userId, { room, userId, further: [] });
    else seat.further?.push(room);
  }
  return [...seats.values()];
}

export interface JoinOptions {
  seats: readonly Seat[];
  rooms: readonly Room[];
  ports: readonly number[];
  roomsTogether?: boolean | undefined;
  concurrency: number;
  timeoutMs: number;
  /** X-Forwarded-For of each; left out: none. */
  addressOf?: ((index: number) => string) | undefined;
  /** Left out: they state who they are, else they show a token. */
  tokenSecret?: string | undefined;
  /** Asked with the join; null: none. */
  afterSeq(index: number): number | null;
  /** The listeners of the load that goes on from here; joins are seen here only. */
  events: Pick<ClientEvents, 'onMessage' | 'onAck' | 'onError'>;
  onClose?(client: Client): void;
  /** Just before one begins to connect. */
  onBegun?(index: number): void;
  /** Once for each room it has joined. */
  onJoined?(client: Client, lastSeq: number, room: number): void;
}

/**
 * Resolves when all are joined; a client's `lastSeq` then is where its conversation stood.
 *
 * @throws Error when one is refused, or the time is over
 */
export async function joinAll(options: JoinOptions): Promise<Client[]> {
  const { seats, rooms, ports, concurrency, timeoutMs, events } = options;
  const clients: Client[] = [];
  /** How many rooms each has joined. */
  const places: number[] = [];
  const turns = createTurns({ count: seats.length, concurrency, timeoutMs });
  const own: ClientEvents = {
    onMessage: events.onMessage,
    onConnected: (client) => join(client, client.room),
    onAck(client, id, ok, buffer, from, to) {
      if (id !== JOIN_ACK) {
        events.onAck(client, id, ok, buffer, from, to);
        return;
      }
      if (!ok) {
        turns.fail(`a join was refused: ${buffer.toString('utf8', from, to)}`);
        return;
      }
      const at = buffer.indexOf(LAST_SEQ, from) + LAST_SEQ.length;
      const lastSeq = Number.parseInt(buffer.toString('latin1', at, at + 16), 10);
      // A resumed client has counted on from where it was.
      if (options.afterSeq(client.index) === null) client.lastSeq = lastSeq;
      const place = places[client.index] ?? 0;
      const { room = 0, further = [] } = seats[client.index] ?? {};
      options.onJoined?.(client, lastSeq, place === 0 ? room : (further[place - 1] ?? 0));
      places[client.index] = place + 1;
      const more = further[place];
      if (more !== undefined) join(client, more);
      else turns.done();
    },
    onError(client, text) {
      events.onError(client, text);
      turns.fail(text);
    },
    onClose(client) {
      turns.fail('closed');
      if (options.onClose !== undefined) options.onClose(client);
      else events.onError(client, 'closed');
    },
  };
  function join(client: Client, room: number): void {
    const conversationId = rooms[room]?.conversationId;
    const after = options.afterSeq(client.index);
    const rest = after === null ? '' : `,"after_seq":${after}`;
    client.send(
      `42${JOIN_ACK}["join_conversation",{"conversation_id":"${conversationId}"${rest}}]`,
    );
  }
  await turns.run((index) => {
    const { room, userId } = seats[index] ?? { room: 0, userId: '' };
    const turn = options.roomsTogether === true ? room : index;
    const port = ports[turn % ports.length] ?? 0;
    const credential = credentialOf(userId, options.tokenSecret);
    options.onBegun?.(index);
    const client = new Client(index, port, credential, own, options.addressOf?.(index));
    client.room = room;
    client.lastSeq = options.afterSeq(index) ?? 0;
    clients[index] = client;
  });
  return clients;
}
