/** The load at what speaks Socket.IO: one order of messages for each conversation. */
import { joinAll, seatsOf, seatsOfPeople } from './joining.ts';
import { createPeople } from './people.ts';
import type { Joining } from './plan.ts';
import type { JoinProgress, Wire, WireEvents } from './wire.ts';

export async function joinBySocketIo(
  plan: Joining,
  events: WireEvents,
  progress: JoinProgress,
): Promise<Wire> {
  const { rooms } = plan;
  const people = plan.socketPerPerson === true ? createPeople(rooms) : null;
  const clients = await joinAll({
    rooms,
    seats: people === null ? seatsOf(rooms) : seatsOfPeople(rooms),
    ports: plan.ports,
    roomsTogether: plan.roomsTogether,
    concurrency: plan.connectConcurrency,
    timeoutMs: plan.connectTimeoutMs,
    addressOf: plan.ownAddresses === true ? (n) => `10.0.${n >> 8}.${n & 255}` : undefined,
    tokenSecret: plan.tokenSecret,
    afterSeq: () => null,
    onBegun: (index) => progress.onBegun?.(index),
    onJoined(client, lastSeq, room) {
      people?.joined(client, lastSeq, room);
      progress.onJoined?.(client.index);
    },
    events,
  });
  const heads = rooms.map(
    ({ conversationId }) => `["send_message",{"conversation_id":"${conversationId}","content":"`,
  );
  return {
    talkers: clients,
    hearers: people?.hearers ?? clients,
    orders: rooms.length,
    hearerOf: ({ index }, buffer, from, to) => {
      const client = clientAt(index);
      return people?.hearerOf(client, buffer, from, to) ?? client;
    },
    nextOrder: (talker) => people?.nextRoom(talker) ?? talker.room,
    send({ index }, id, room, content) {
      clientAt(index).send(`42${id}${heads[room]}${content}"}]`);
    },
  };

  function clientAt(index: number) {
    const client = clients[index];
    if (client === undefined) throw new Error(`there is no client ${index}`);
    return client;
  }
}
