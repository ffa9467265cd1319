/** What other nodes and this one announce, whatever order it comes in. */
import { expect, it } from 'vitest';
import { createAnnouncer } from '../../src/audience/announcer.ts';
import { eventFrame } from '../../src/audience/frames.ts';
import { Room } from '../../src/audience/room.ts';
import { newRoomStats } from '../../src/audience/room-stats.ts';
import { conversationTopic } from '../../src/audience/topics.ts';
import { encodeEnvelope } from '../../src/bus/envelope.ts';
import { createMemoryBus, createMemoryHub } from '../../src/bus/memory-bus.ts';
import type { Socket } from '../../src/realtime/socket.ts';
import type { SocketServer } from '../../src/realtime/socket-server.ts';
import { foldId } from '../../src/shared/ids.ts';
import { waitFor } from '../support/wait.ts';

const conversationId = foldId('00000000-0000-4000-8000-0000000000c0');
const userId = foldId('00000000-0000-4000-8000-00000000000a');
const topic = conversationTopic(conversationId);
const quiet = { warn: () => undefined };

function readFrame(seq: number): string {
  const payload = { conversation_id: conversationId, user_id: userId, last_read_seq: seq };
  return eventFrame('messages_read', payload);
}

/** A node with one room, and a bus of another node beside it. */
async function setUp() {
  const hub = createMemoryHub();
  const bus = createMemoryBus({ hub });
  const peer = createMemoryBus({ hub });
  const heard: string[] = [];
  const spared: (readonly Socket[])[] = [];
  const publish: SocketServer['publish'] = (_topic, frame, options) => {
    heard.push(Buffer.from(frame).toString());
    spared.push(options?.except ?? []);
  };
  const room = new Room(conversationId, topic, {
    store: {
      readRange: () => Promise.reject(new Error('nothing is read here')),
      readMembers: () => Promise.reject(new Error('nothing is read here')),
      readHead: () => Promise.reject(new Error('nothing is read here')),
      noteLostFuture: () => Promise.reject(new Error('nothing is written here')),
    },
    publish,
    evicted: () => undefined,
    moved: () => undefined,
    limits: { holeHoldMs: 1, maxHeld: 1, readLimit: 1, retryMs: 1 },
    log: quiet,
    stats: newRoomStats(),
  });
  const suspected: string[] = [];
  const announcer = createAnnouncer({
    bus,
    rooms: {
      get: (id) => (id === conversationId ? room : undefined),
      suspect: (id) => suspected.push(id),
    },
    publish,
    users: { disconnect: () => undefined },
    news: { tell: () => undefined, forget: () => undefined },
    epoch: () => 'epoch',
    limits: { maxEnvelopeBytes: 10_000 },
    log: quiet,
  });
  await bus.subscribe(topic);
  const fromPeer = (cursor: 'read' | 'delivered', seq: number, frame: string): void =>
    peer.publish(
      topic,
      encodeEnvelope({ kind: 'cursor', cursor, userId, seq, frame: Buffer.from(frame) }, 'epoch'),
    );
  return { announcer, heard, spared, room, fromPeer, peer, suspected };
}

it('a read mark never falls: what comes after a later one is dropped', async () => {
  const { announcer, heard, fromPeer } = await setUp();
  announcer.events.messagesRead({ conversationId, userId, lastReadSeq: 3 });
  // Another node's earlier mark, late; then one that is news.
  fromPeer('read', 2, readFrame(2));
  fromPeer('read', 5, readFrame(5));
  await waitFor(() => heard.length >= 2, { what: 'the later mark of the other node' });
  // Of two transactions of this node the earlier one may be announced last.
  announcer.events.messagesRead({ conversationId, userId, lastReadSeq: 4 });
  announcer.events.messagesRead({ conversationId, userId, lastReadSeq: 6 });
  expect(heard).toEqual([readFrame(3), readFrame(5), readFrame(6)]);
});

it('reading and receiving are two cursors', async () => {
  const { announcer, heard, fromPeer } = await setUp();
  announcer.events.messagesRead({ conversationId, userId, lastReadSeq: 9 });
  fromPeer('delivered', 4, 'delivered 4');
  await waitFor(() => heard.length === 2, { what: 'the other cursor' });
  expect(heard).toEqual([readFrame(9), 'delivered 4']);
});

it('a payload that is refused makes its conversation suspect: it may have been a message', async () => {
  const { announcer, peer, suspected } = await setUp();
  peer.publish(topic, Buffer.alloc(10_001));
  await waitFor(() => announcer.stats.refused.too_large === 1, { what: 'the payload' });
  expect(suspected).toEqual([conversationId]);
});

it('who types is not told of it, on any of the sockets that are in the room', async () => {
  const { announcer, spared, room } = await setUp();
  const place = { asOf: 1, live: true, gone: false, evicted: false };
  const enter = (id: string, who: typeof userId) => {
    const socket = { id, leave: () => undefined } as unknown as Socket;
    const member = { socket, userId: who, ...place };
    room.members.add(member);
    return member;
  };
  const [phone, laptop] = [enter('phone', userId), enter('laptop', userId)];
  enter('other', foldId('00000000-0000-4000-8000-00000000000b'));
  const stop = () => announcer.events.typingStopped({ conversationId, userId }, { id: 'rest' });
  stop();
  room.members.remove(phone);
  stop();
  room.members.remove(laptop);
  stop();
  expect(spared).toEqual([[phone.socket, laptop.socket], [laptop.socket], []]);
});
