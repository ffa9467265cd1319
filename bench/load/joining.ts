/** Connecting and joining many clients, so many at a time. */
import { Client, type ClientEvents } from './client.ts';
import { credentialOf } from './credentials.ts';
import type { Room } from './plan.ts';

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
  /** Once for each room it has joined. */
  onJoined?(client: Client, lastSeq: number, room: number): void;
}

/**
 * Resolves when all are joined; a client's `lastSeq` then is where its conversation stood.
 *
 * @throws Error when one is refused, or the time is over
 */
export function joinAll(options: JoinOptions): Promise<Client[]> {
  const { seats, rooms, ports, concurrency, events } = options;
  const clients: Client[] = [];
  /** How many rooms each has joined. */
  const places: number[] = [];
  return new Promise((resolve, reject) => {
    let started = 0;
    let joined = 0;
    const timer = setTimeout(
      () => reject(new Error(`${joined} of ${seats.length} joined in time`)),
      options.timeoutMs,
    );
    /** Of no effect once all have joined. */
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`${joined} of ${seats.length} joined: ${why}`));
    };
    const own: ClientEvents = {
      onMessage: events.onMessage,
      onConnected: (client) => join(client, client.room),
      onAck(client, id, ok, buffer, from, to) {
        if (id !== JOIN_ACK) {
          events.onAck(client, id, ok, buffer, from, to);
          return;
        }
        if (!ok) {
          fail(`a join was refused: ${buffer.toString('utf8', from, to)}`);
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
        if (more !== undefined) {
          join(client, more);
          return;
        }
        joined += 1;
        if (joined === seats.length) {
          clearTimeout(timer);
          resolve(clients);
        } else next();
      },
      onError(client, text) {
        events.onError(client, text);
        fail(text);
      },
      onClose(client) {
        fail('closed');
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
    function next(): void {
      const seat = seats[started];
      if (seat === undefined) return;
      const index = started;
      started += 1;
      const turn = options.roomsTogether === true ? seat.room : index;
      const port = ports[turn % ports.length] ?? 0;
      const credential = credentialOf(seat.userId, options.tokenSecret);
      const client = new Client(index, port, credential, own, options.addressOf?.(index));
      client.room = seat.room;
      client.lastSeq = options.afterSeq(index) ?? 0;
      clients[index] = client;
    }
    for (let i = 0; i < concurrency; i += 1) next();
  });
}
