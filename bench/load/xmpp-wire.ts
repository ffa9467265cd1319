/**
 * The load at an XMPP server: pairs who write to each other. The server keeps the order of what one
 * sends to the other, each way for itself, and nobody hears their own; so each sender is an order, with
 * numbers of the sender's, and its partner is who hears it.
 */
import { seatsOf } from './joining.ts';
import type { Joining } from './plan.ts';
import { createTurns } from './turns.ts';
import type { JoinProgress, Wire, WireEvents } from './wire.ts';
import { XmppClient } from './xmpp-client.ts';

/** @throws Error when a room is no pair, or somebody is refused */
export async function joinByXmpp(
  plan: Joining,
  events: WireEvents,
  progress: JoinProgress,
): Promise<Wire> {
  const seats = seatsOf(plan.rooms);
  if (plan.rooms.some(({ members }) => members.length !== 2)) throw new Error('not all are pairs');
  const clients: XmppClient[] = [];
  const turns = createTurns({
    count: seats.length,
    concurrency: plan.connectConcurrency,
    timeoutMs: plan.connectTimeoutMs,
  });
  const own = {
    onJoined(client: XmppClient) {
      progress.onJoined?.(client.index);
      turns.done();
    },
    onMessage: events.onMessage,
    onAck(client: XmppClient, id: number, buffer: Buffer, from: number, to: number) {
      events.onAck(client, id, true, buffer, from, to);
    },
    onError(client: XmppClient, text: string) {
      events.onError(client, text);
      turns.fail(text);
    },
    onClose: (client: XmppClient) => own.onError(client, 'closed'),
  };
  await turns.run((index) => {
    const { room, userId: user } = seats[index] ?? { room: 0, userId: '' };
    const port = plan.ports[index % plan.ports.length] ?? 0;
    const to = seats[partnerOf(index)]?.userId ?? '';
    progress.onBegun?.(index);
    const client = new XmppClient({ index, port, user, to }, own);
    client.room = room;
    clients[index] = client;
  });
  const hearers = clients.map(({ index }) => ({
    index,
    room: partnerOf(index),
    lastSeq: 0,
    received: 0,
  }));
  return {
    talkers: clients,
    hearers,
    orders: clients.length,
    hearerOf({ index }) {
      const hearer = hearers[index];
      if (hearer === undefined) throw new Error(`there is no client ${index}`);
      return hearer;
    },
    nextOrder: ({ index }) => index,
    send: ({ index }, id, _order, content) => clients[index]?.send(id, content),
  };
}

/** Seats are two by two. */
const partnerOf = (index: number): number => index ^ 1;
