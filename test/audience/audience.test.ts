/** What an audience puts together: who is told what of a person that takes part no more, and what is looked for. */
import { expect, it, vi } from 'vitest';
import { createAudience } from '../../src/audience/audience.ts';
import { createMemoryBus, createMemoryHub } from '../../src/bus/memory-bus.ts';
import type { Store } from '../../src/chat/ports.ts';
import type { ChatSocket } from '../../src/delivery/commands.ts';
import { createBeat } from '../../src/shared/beat.ts';
import { foldId } from '../../src/shared/ids.ts';
import { waitFor } from '../support/wait.ts';

const CONVERSATION = foldId('00000000-0000-4000-8000-0000000000c0');
const BOB = foldId('00000000-0000-4000-8000-00000000000b');
const nothing = () => undefined;

it('an eviction that nobody announced: the listener first, then the person, then the room closes', async () => {
  const seen: string[] = [];
  const store = {
    readMembers: async () => ({ members: new Set<string>(), membersVersion: 2 }),
    readMoved: async () => ({ moved: [], gone: [] }),
    readNotices: async () => ({ notices: [], next: '1' }),
  } as unknown as Store;
  const audience = createAudience({
    bus: createMemoryBus(),
    store,
    server: { publish: nothing, subscribers: () => 0 },
    epochs: { current: () => 'epoch', onChange: nothing },
    database: { stats: () => ({ lost: 0 }) },
    writes: { onUnsure: nothing },
    beat: createBeat(),
    settings: { headCheckIntervalMs: 60_000, holeHoldMs: 5, maxEnvelopeBytes: 10_000 },
    log: { debug: nothing, warn: nothing },
  });
  const socket = {
    id: 'one',
    data: { connectedAtMs: 0 },
    leave: () => seen.push('left the topic'),
    sendFrame: (frame: string) => seen.push(JSON.parse(frame.slice(2))[0]),
  } as unknown as ChatSocket;
  audience.users.enter(socket, BOB);
  audience.onEvicted((evicted, { conversationId, members }) => {
    expect({ evicted, conversationId, heard: members.bySocket.size }).toEqual({
      evicted: socket,
      conversationId: CONVERSATION,
      heard: 0,
    });
    seen.push(`evicted, ${audience.rooms.size()} open`);
  });

  const room = audience.rooms.acquire(CONVERSATION);
  const place = { asOf: 1, live: true, gone: false, evicted: false };
  room.members.add({ socket, userId: BOB, ...place });
  room.open({ lastSeq: 0, lastMessageId: null, membersVersion: 1 });
  audience.rooms.release(room);
  room.noticeHead(0, 2);
  await waitFor(() => audience.rooms.size() === 0, { what: 'the room to close' });
  expect(seen).toEqual(['left the topic', 'evicted, 1 open', 'participant_removed']);
  audience.close();
});

it('what others may not have heard is told to them, and what this node may not have heard is looked for', async () => {
  const told: unknown[] = [];
  const readCursors = vi.fn(async () => []);
  const compared: string[][] = [];
  const store = {
    readMoved: async (known: { conversationId: string }[]) => {
      compared.push(known.map(({ conversationId }) => conversationId));
      return { moved: [], gone: [] };
    },
    readNotices: async () => ({ notices: [], next: '1' }),
    readCursors,
    noteUnheard: async (node: string, ids: unknown) => told.push([node, ids]),
  } as unknown as Store;
  let lost = 0;
  let gap = nothing;
  let vanished = nothing;
  let unsure: (conversationId: typeof CONVERSATION) => void = nothing;
  const turns: (() => void)[] = [];
  const bus = createMemoryBus({ hub: createMemoryHub(), nodeId: 'this-node' });
  const audience = createAudience({
    bus: {
      ...bus,
      lost: () => lost,
      onGap(listener) {
        gap = () => void listener();
      },
      onVanished(listener) {
        vanished = () => void listener();
      },
    },
    store,
    server: { publish: nothing, subscribers: () => 0 },
    epochs: { current: () => 'epoch', onChange: nothing },
    database: { stats: () => ({ lost: 0 }) },
    writes: {
      onUnsure(listener) {
        unsure = listener;
      },
    },
    beat: {
      every(_intervalMs, listener) {
        turns.push(listener);
        return nothing;
      },
    },
    settings: { headCheckIntervalMs: 60_000, holeHoldMs: 5, maxEnvelopeBytes: 10_000 },
    log: { debug: nothing, warn: nothing },
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const interval = async () => {
    compared.length = 0;
    for (const turn of turns) turn();
    await settled();
    return compared.flat();
  };
  audience.rooms.acquire(CONVERSATION).open({ lastSeq: 0, lastMessageId: null, membersVersion: 1 });
  // Until it has been silent for some time.
  for (let count = 0; count < 8; count += 1) await interval();
  expect(await interval()).toEqual([]);

  compared.length = 0;
  gap();
  await settled();
  expect(compared.flat()).toEqual([CONVERSATION]);
  for (let count = 0; count < 9; count += 1) await interval();

  // Every node finds this out at the same moment, and none asks then; for messages alone.
  readCursors.mockClear();
  compared.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vanished();
  vanished();
  expect(compared).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_000);
  vi.useRealTimers();
  expect(compared.flat()).toEqual([CONVERSATION]);
  expect(readCursors).not.toHaveBeenCalled();
  for (let count = 0; count < 9; count += 1) await interval();

  unsure(CONVERSATION);
  expect(await interval()).toEqual([CONVERSATION]);
  lost = 1;
  await interval();
  await interval();
  expect(told).toEqual([
    ['this-node', [CONVERSATION]],
    ['this-node', null],
  ]);
  audience.close();
});
