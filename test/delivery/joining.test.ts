/** Joins and leaves that cross each other, over real conversations and sockets that only listen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRooms } from '../../src/audience/rooms.ts';
import { WORK_LIMITS } from '../../src/bounds/limits.ts';
import { createMemoryBus } from '../../src/bus/memory-bus.ts';
import { createMembership } from '../../src/chat/membership.ts';
import type { Actor, Store } from '../../src/chat/ports.ts';
import type { JoinResult } from '../../src/chat/schemas.ts';
import { createJoining, type Joining } from '../../src/delivery/joining.ts';
import { createWorkLine } from '../../src/limits/work-line.ts';
import type { Socket } from '../../src/realtime/socket.ts';
import { createBeat } from '../../src/shared/beat.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { createStoreFixture, type StoreFixture } from '../store/fixture.ts';
import { waitFor } from '../support/wait.ts';

let fixture: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;
beforeAll(async () => {
  fixture = await createStoreFixture();
  [alice, bob] = [await fixture.user('Alice'), await fixture.user('Bob')];
});
afterAll(() => fixture.close());

const asUser = (userId: CanonicalId): Actor => ({ kind: 'user', userId, expiresAtMs: null });

interface Listener {
  socket: Socket;
  topics: Set<string>;
  heard: number[];
  /** Bytes the peer has not taken. */
  behind: { bytes: number; atMost: number };
}

/** Rooms and joins as the service has them; `on` sees every read before it goes to PostgreSQL. */
function setUp(on: Partial<Pick<Store, 'readStanding' | 'readRange'>> = {}) {
  const { store } = fixture;
  const listeners = new Set<Listener>();
  const seen: Store = { ...store, ...on };
  const evicted: boolean[] = [];
  const bus = createMemoryBus();
  const rooms = createRooms({
    bus,
    store: seen,
    publish(topic, frame) {
      for (const { topics, socket } of listeners) if (topics.has(topic)) socket.sendFrame(frame);
    },
    evicted(room, { socket }, missed) {
      evicted.push(missed);
      joining.forget(socket, room);
    },
    connectionsLost: () => 0,
    beat: createBeat(),
    limits: {
      holeHoldMs: 5,
      maxHeld: 100,
      readLimit: 100,
      retryMs: 5,
      headCheckIntervalMs: 60_000,
      headCheckBatch: 100,
    },
    log: { warn: () => undefined, debug: () => undefined },
  });
  const work = createWorkLine({ limits: WORK_LIMITS });
  const joining: Joining = createJoining({
    rooms,
    membership: createMembership({ store: seen, work }),
    store: seen,
    work,
    limits: {
      maxReplay: 10_000,
      maxJoinedConversations: 10,
      replayBatch: 100,
      replayBufferBytes: 2_000,
      replayPauseMs: 1,
      catchUpMs: 1_000,
    },
  });

  function listen(): Listener {
    const topics = new Set<string>();
    const heard: number[] = [];
    const behind = { bytes: 0, atMost: 0 };
    const socket = {
      id: newId(),
      connected: true,
      join: (topic: string) => topics.add(topic),
      leave: (topic: string) => topics.delete(topic),
      bufferedBytes() {
        return behind.bytes;
      },
      together: (send: () => void) => send(),
      sendFrame(frame: string | Uint8Array) {
        const text = Buffer.from(frame).toString();
        const [event, payload]: [string, { seq: number }] = JSON.parse(text.slice(2));
        if (event === 'new_message') heard.push(payload.seq);
        behind.bytes += text.length;
        behind.atMost = Math.max(behind.atMost, behind.bytes);
      },
    } as unknown as Socket;
    const listener = { socket, topics, heard, behind };
    listeners.add(listener);
    return listener;
  }

  async function join(listener: Listener, conversation_id: CanonicalId, after_seq?: number) {
    let result: JoinResult | undefined;
    await joining.join(
      listener.socket,
      asUser(bob),
      { conversation_id, after_seq: after_seq ?? null },
      (joined) => {
        result = joined;
      },
    );
    if (result === undefined) throw new Error('A join ended without an answer');
    return result;
  }

  return { rooms, joining, listen, join, evicted, bus };
}

const topicOf = (conversationId: CanonicalId): string => `c:${conversationId}`;

describe('joining', () => {
  it('a conversation left while it is joined does not unmake the next one', async () => {
    const [first, second] = [
      await fixture.conversation([alice, bob]),
      await fixture.conversation([alice, bob]),
    ];
    const { rooms, joining, listen, join } = setUp();
    const listener = listen();
    const left = join(listener, first);
    joining.leave(listener.socket, first);
    const joined = join(listener, second);
    await expect(left).rejects.toMatchObject({ code: 'invalid_request' });
    await joined;
    expect([...listener.topics]).toEqual([topicOf(second)]);
    joining.leave(listener.socket, second);
    expect([...listener.topics]).toEqual([]);
    expect(rooms.size()).toBe(0);
  });

  it('a leave ends every join before it, those still waiting their turn too', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, joining, listen, join } = setUp();
    const listener = listen();
    const joins = [1, 2, 3].map(() => join(listener, conversation));
    joining.leave(listener.socket, conversation);
    const results = await Promise.allSettled(joins);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect([...listener.topics]).toEqual([]);
    expect(rooms.size()).toBe(0);
  });

  it('a socket that goes while joins wait leaves nothing behind', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, joining, listen, join } = setUp();
    const listener = listen();
    const joins = [1, 2, 3].map(() => join(listener, conversation));
    Object.assign(listener.socket, { connected: false });
    joining.leaveAll(listener.socket);
    const results = await Promise.allSettled(joins);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(rooms.size()).toBe(0);
  });

  it('joining again without after_seq goes on where the stream was, without a hole', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    let meanwhile: (() => Promise<void>) | undefined;
    const { rooms, listen, join } = setUp({
      async readStanding(conversationId, userId) {
        const work = meanwhile;
        meanwhile = undefined;
        const standing = await fixture.store.readStanding(conversationId, userId);
        await work?.();
        return standing;
      },
    });
    const listener = listen();
    await join(listener, conversation);
    // Stored and handed out while the second join waits for PostgreSQL.
    meanwhile = async () => {
      await fixture.post(conversation, alice, 3);
      const room = rooms.get(conversation);
      room?.noticeHead(3, room.members.version);
      await waitFor(() => room?.head === 3, { what: 'the room to have handed them out' });
    };
    const again = await join(listener, conversation);
    expect({ heard: listener.heard, lastSeq: again.last_seq }).toEqual({
      heard: [1, 2, 3],
      lastSeq: 3,
    });
    rooms.close();
  });

  it('a room that everybody was removed from is closed', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, listen, join, evicted } = setUp();
    const listener = listen();
    await join(listener, conversation);
    const removal = { conversationId: conversation, userId: bob };
    const removed = await fixture.store.removeParticipant(removal);
    if (removed.outcome !== 'changed') throw new Error(removed.outcome);
    rooms.get(conversation)?.membershipChanged('removed', bob, removed.membersVersion);
    expect({ evicted, rooms: rooms.size() }).toEqual({ evicted: [false], rooms: 0 });
  });

  it('a room whose members PostgreSQL no longer knows is closed', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, listen, join, evicted } = setUp();
    const listener = listen();
    await join(listener, conversation);
    await fixture.sql`
      DELETE FROM messaging.conversation_participants
      WHERE conversation_id = ${conversation} AND participant_id = ${bob}`;
    rooms.checkAll();
    await waitFor(() => rooms.size() === 0, { what: 'the empty room to be closed' });
    expect(evicted).toEqual([true]);
  });

  it('whoever is in a conversation that is deleted has left it', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, listen, join, evicted } = setUp();
    const listener = listen();
    await join(listener, conversation);
    await fixture.sql`DELETE FROM messaging.conversations WHERE id = ${conversation}`;
    rooms.checkAll();
    await waitFor(() => rooms.size() === 0, { what: 'the room to be closed' });
    expect({ evicted, topics: [...listener.topics] }).toEqual({ evicted: [true], topics: [] });
  });

  it('joins of one conversation by one socket are bounded', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    const { rooms, listen, join } = setUp();
    const listener = listen();
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => join(listener, conversation)),
    );
    expect(results.filter(({ status }) => status === 'rejected').length).toBe(40 - 16);
    expect([...listener.topics]).toEqual([topicOf(conversation)]);
    rooms.close();
  });

  it('a replay waits as soon as the socket is behind, not at the end of what it read', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    await fixture.post(conversation, alice, 150);
    const { rooms, listen, join } = setUp();
    const listener = listen();
    const taking = setInterval(() => {
      listener.behind.bytes = 0;
    }, 1);
    await join(listener, conversation, 0);
    clearInterval(taking);
    expect(listener.heard).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
    expect(listener.behind.atMost).toBeLessThan(3_000);
    rooms.close();
  });

  it('long messages are read a few at a time', async () => {
    const conversation = await fixture.conversation([alice, bob]);
    await fixture.sql`
      INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
      SELECT ${alice}::uuid, ${conversation}::uuid, repeat('long', 25000), n
      FROM generate_series(1, 60) n`;
    await fixture.sql`
      UPDATE messaging.conversations SET last_seq = 60 WHERE id = ${conversation}`;
    const reads: number[] = [];
    const { rooms, listen, join } = setUp({
      async readRange(request) {
        const range = await fixture.store.readRange(request);
        reads.push(range.messages.length);
        return range;
      },
    });
    const listener = listen();
    // A reader that takes everything at once: only what is read can bound the memory.
    Object.assign(listener.socket, { bufferedBytes: () => 0 });
    await join(listener, conversation, 0);
    expect(listener.heard).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect(reads).toEqual([32, ...Array.from({ length: 14 }, () => 2)]);
    rooms.close();
  });
});
