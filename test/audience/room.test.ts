/** A room's order, whatever the bus does: offers are lost, doubled and shuffled at will. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../src/audience/member.ts';
import { Room, type RoomDeps } from '../../src/audience/room.ts';
import { newRoomStats } from '../../src/audience/room-stats.ts';
import type { Message } from '../../src/chat/schemas.ts';
import type { Socket } from '../../src/realtime/socket.ts';
import { type CanonicalId, foldId } from '../../src/shared/ids.ts';
import { standIn } from '../support/ids.ts';
import { waitFor } from '../support/wait.ts';

const CONVERSATION = foldId('00000000-0000-4000-8000-0000000000c0');

/** `timeline`: of the database that stored it; what another one has at that seq is another message. */
const idOf = (seq: number, timeline = 0): CanonicalId =>
  foldId(
    `00000000-0000-7000-8${String(timeline).padStart(3, '0')}-${String(seq).padStart(12, '0')}`,
  );

function message(seq: number, timeline = 0): Message {
  return {
    id: idOf(seq, timeline),
    conversation_id: CONVERSATION,
    seq,
    sender_id: foldId('00000000-0000-4000-8000-00000000000a'),
    sender_name: 'Alice',
    content: `message ${seq}`,
    message_type: 'text',
    media_url: null,
    client_message_id: null,
    status: 'sent',
    created_at: '2026-01-01T00:00:00.000Z',
  };
}

const offerOf = (seq: number, membersVersion = 0, timeline = 0) => ({
  seq,
  id: idOf(seq, timeline),
  membersVersion,
  frame: `42["new_message",${JSON.stringify(message(seq, timeline))}]`,
});
const placeOf = (lastSeq: number, membersVersion = 0) => ({
  lastSeq,
  lastMessageId: lastSeq === 0 ? null : idOf(lastSeq),
  membersVersion,
});
const seqOf = (frame: string | Uint8Array): number => {
  const parsed: [string, Message] = JSON.parse(Buffer.from(frame).toString().slice(2));
  return parsed[1].seq;
};

/** A room over a table of messages and a member list with its version. */
function setUp(table: {
  lastSeq: number;
  members: Set<string>;
  membersVersion: number;
  /** Rows that somebody deleted by hand. */
  deleted?: Set<number>;
  /** Messages after this one are of another timeline: PostgreSQL went back and on from there. */
  regrownAfter?: number;
  /** Runs when a range has been read and its reader does not have it yet. */
  afterReading?: () => Promise<void>;
  /** The same for a question about members. */
  afterAsking?: () => Promise<void>;
}) {
  const frames: (string | Uint8Array)[] = [];
  const heard: number[] = [];
  const audience: string[][] = [];
  const evicted: string[] = [];
  const failures = { left: 0 };
  const lost: [number, number][] = [];
  const timelineOf = (seq: number) => (seq > (table.regrownAfter ?? Infinity) ? 1 : 0);
  const live = new Map<Socket, Member>();
  const failSometimes = () => {
    if (failures.left === 0) return;
    failures.left -= 1;
    throw new Error('PostgreSQL is away');
  };
  const deps: RoomDeps = {
    store: {
      async readRange({ afterSeq, upToSeq, limit }) {
        await Promise.resolve();
        failSometimes();
        const { lastSeq, membersVersion } = table;
        const messages: Message[] = [];
        let seq = afterSeq;
        while (seq < Math.min(upToSeq, lastSeq) && messages.length < limit) {
          seq += 1;
          if (!table.deleted?.has(seq)) messages.push(message(seq, timelineOf(seq)));
        }
        await table.afterReading?.();
        return { messages, coveredSeq: seq, lastSeq, membersVersion };
      },
      async readHead({ seq, messageId }) {
        await Promise.resolve();
        failSometimes();
        const { lastSeq, membersVersion } = table;
        const there = table.deleted?.has(seq) ? null : idOf(seq, timelineOf(seq));
        const same = seq === 0 || there === null || messageId === null || there === messageId;
        return {
          lastSeq,
          lastMessageId: lastSeq === 0 ? null : idOf(lastSeq, timelineOf(lastSeq)),
          membersVersion,
          goesOn: lastSeq >= seq && same,
        };
      },
      async noteLostFuture({ afterSeq, upToSeq }) {
        lost.push([afterSeq, upToSeq]);
      },
      async readMembers(_conversationId, userIds) {
        await Promise.resolve();
        failSometimes();
        const { membersVersion } = table;
        const members = new Set(userIds.filter((id) => table.members.has(id)));
        await table.afterAsking?.();
        return { members, membersVersion };
      },
    },
    publish(_topic, frame) {
      frames.push(frame);
      if (!String(frame).startsWith('42["new_message"')) return;
      heard.push(seqOf(frame));
      audience.push([...room.members.bySocket.values()].filter((m) => m.live).map((m) => m.userId));
    },
    evicted: (_room, member) => evicted.push(member.userId),
    moved: () => undefined,
    limits: { holeHoldMs: 1, maxHeld: 8, readLimit: 5, retryMs: 1 },
    log: { warn: () => undefined },
    stats: newRoomStats(),
  };
  const room = new Room(CONVERSATION, `c:${CONVERSATION}`, deps);
  const admit = (userId: CanonicalId, asOf: number) => {
    const socket = { leave: () => undefined } as unknown as Socket;
    const member: Member = { socket, userId, asOf, live: true, gone: false, evicted: false };
    room.members.add(member);
    live.set(socket, member);
  };
  return { room, heard, frames, audience, evicted, failures, lost, deps, admit };
}

describe('a room', () => {
  it('hands out head + 1 at once, holds what is early, drops what it had', () => {
    const { room, heard } = setUp({ lastSeq: 9, members: new Set(), membersVersion: 0 });
    room.open(placeOf(4));
    for (const seq of [4, 5, 7, 5, 6, 7]) room.offer(offerOf(seq));
    expect(heard).toEqual([5, 6, 7]);
    room.close();
  });

  it('holds what comes before it is opened, and opens after the head that was read', () => {
    const { room, heard } = setUp({ lastSeq: 3, members: new Set(), membersVersion: 0 });
    for (const seq of [3, 2, 4]) room.offer(offerOf(seq));
    room.open(placeOf(2));
    expect(heard).toEqual([3, 4]);
    room.close();
  });

  it('reads a hole, and a lost tail, from PostgreSQL', async () => {
    const { room, heard } = setUp({ lastSeq: 30, members: new Set(), membersVersion: 0 });
    room.open(placeOf(0));
    room.offer(offerOf(20));
    await waitFor(() => heard.length === 20, { what: 'the hole' });
    room.noticeHead(30, 0);
    await waitFor(() => heard.length === 30, { what: 'the tail' });
    expect(heard).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    room.close();
  });

  it('waits for a read that fails, and loses nothing', async () => {
    const { room, heard, failures } = setUp({
      lastSeq: 5,
      members: new Set(),
      membersVersion: 0,
    });
    failures.left = 3;
    room.open(placeOf(0));
    room.offer(offerOf(5));
    await waitFor(() => heard.length === 5, { what: 'the repair after failures' });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
    room.close();
  });

  it('delivers nothing past a removal that only the message’s version tells of', async () => {
    const table = { lastSeq: 2, members: new Set(['alice', 'bob']), membersVersion: 1 };
    const { room, heard, audience, evicted, admit } = setUp(table);
    room.open(placeOf(0, 1));
    admit(standIn('alice'), 1);
    admit(standIn('bob'), 1);
    room.offer(offerOf(1, 1));
    table.members.delete('bob');
    table.membersVersion = 2;
    room.offer(offerOf(2, 2));
    await waitFor(() => heard.length === 2, { what: 'the message after the removal' });
    expect(evicted).toEqual(['bob']);
    expect(audience).toEqual([['alice', 'bob'], ['alice']]);
    room.close();
  });

  it('a late word of an old removal does not evict who is back', () => {
    const { room, evicted, admit } = setUp({
      lastSeq: 0,
      members: new Set(['bob']),
      membersVersion: 3,
    });
    room.open(placeOf(0, 3));
    admit(standIn('bob'), 3);
    expect(room.membershipChanged('removed', standIn('bob'), 2)).toBe(false);
    expect(evicted).toEqual([]);
    room.close();
  });

  it('a conversation deleted under a message that waits: nobody is left, nothing is asked for ever', async () => {
    const table = { lastSeq: 0, members: new Set<string>(), membersVersion: 0 };
    const { room, heard, evicted, deps, admit } = setUp(table);
    room.open(placeOf(3, 1));
    admit(standIn('alice'), 1);
    room.offer(offerOf(4, 2));
    await waitFor(() => evicted.length === 1, { what: 'the eviction' });
    await waitFor(() => deps.stats.repairs === 1, { what: 'the look for the message itself' });
    const asked = deps.stats.recheckedMembers;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect({ evicted, heard, asked: deps.stats.recheckedMembers - asked }).toEqual({
      evicted: ['alice'],
      heard: [],
      asked: 0,
    });
    room.close();
  });

  it.each([
    ['at the beginning', [1, 2], [3, 4, 5, 6, 7, 8, 9]],
    ['in the middle', [2, 3, 7], [1, 4, 5, 6, 8, 9]],
    ['at the end', [8, 9], [1, 2, 3, 4, 5, 6, 7]],
    ['everywhere', [1, 2, 3, 4, 5, 6, 7, 8, 9], []],
  ])('rows that are gone %s are passed over, without resync', async (_where, deleted, left) => {
    const { room, heard, frames } = setUp({
      lastSeq: 9,
      members: new Set(),
      membersVersion: 0,
      deleted: new Set(deleted),
    });
    room.open(placeOf(0));
    room.noticeHead(9, 0);
    await waitFor(() => room.head === 9, { what: 'what is left' });
    room.offer(offerOf(10));
    expect(heard).toEqual([...left, 10]);
    expect(frames.filter((frame) => String(frame).includes('resync'))).toEqual([]);
    room.close();
  });

  it('what is offered while a hole is read is neither skipped nor left behind', async () => {
    const table: Parameters<typeof setUp>[0] = {
      lastSeq: 3,
      members: new Set(),
      membersVersion: 0,
    };
    const { room, heard, frames, deps } = setUp(table);
    room.open(placeOf(0));
    let reads = 0;
    table.afterReading = async () => {
      reads += 1;
      if (reads > 1) return;
      // Stored after the snapshot that was just read; 4 is lost on the bus.
      table.lastSeq = 6;
      room.offer(offerOf(5));
      room.offer(offerOf(6));
    };
    room.offer(offerOf(3));
    await waitFor(() => room.head === 6, { what: 'all of it' });
    expect(heard).toEqual([1, 2, 3, 4, 5, 6]);
    expect(frames.length).toBe(6);
    // Nothing is held any more: the next message goes straight through.
    const { held } = deps.stats;
    room.offer(offerOf(7));
    expect({ head: room.head, held: deps.stats.held }).toEqual({ head: 7, held });
    room.close();
  });

  it('a change of members that is heard while PostgreSQL is asked is not forgotten', async () => {
    const table: Parameters<typeof setUp>[0] = {
      lastSeq: 0,
      members: new Set(['alice', 'bob']),
      membersVersion: 2,
    };
    const { room, evicted, admit } = setUp(table);
    room.open(placeOf(0, 1));
    admit(standIn('alice'), 1);
    admit(standIn('bob'), 1);
    let asked = 0;
    table.afterAsking = async () => {
      asked += 1;
      if (asked > 1) return;
      table.members.delete('bob');
      table.membersVersion = 4;
      // Only a version tells of it: the word of the change itself was lost.
      room.noticeHead(0, 4);
    };
    room.noticeHead(0, 2);
    await waitFor(() => room.members.version === 4, { what: 'the second question' });
    expect(evicted).toEqual(['bob']);
    room.close();
  });

  it('a seq from the bus that PostgreSQL does not have moves nothing', async () => {
    const { room, heard, deps } = setUp({
      lastSeq: 2,
      members: new Set(),
      membersVersion: 0,
    });
    room.open(placeOf(2));
    room.offer(offerOf(9, 0, 1));
    await waitFor(() => deps.stats.repairs === 1, { what: 'the look for what is before it' });
    await new Promise((resolve) => setImmediate(resolve));
    room.offer(offerOf(3));
    expect({ heard, head: room.head }).toEqual({ heard: [3], head: 3 });
    room.close();
  });

  describe('when PostgreSQL has gone back', () => {
    const RESYNC = (lastSeq: number) =>
      `42["resync",{"conversation_id":"${CONVERSATION}","last_seq":${lastSeq}}]`;

    it('tells the new head before anything newer, and goes on from there', async () => {
      const table: Parameters<typeof setUp>[0] = {
        lastSeq: 10,
        members: new Set(['alice']),
        membersVersion: 1,
      };
      const { room, heard, frames, lost, admit } = setUp(table);
      room.open(placeOf(7, 1));
      admit(standIn('alice'), 1);
      for (const seq of [8, 9, 10]) room.offer(offerOf(seq, 1));
      Object.assign(table, { lastSeq: 7, regrownAfter: 7 });
      // What is stored in the place of what was heard shows it.
      table.lastSeq = 8;
      room.offer(offerOf(8, 1, 1));
      await waitFor(() => frames.includes(RESYNC(8)), { what: 'resync' });
      table.lastSeq = 9;
      room.offer(offerOf(9, 1, 1));
      await waitFor(() => room.head === 9, { what: 'the next message' });
      expect(heard).toEqual([8, 9, 10, 9]);
      expect(frames.indexOf(RESYNC(8))).toBe(3);
      expect({ era: room.era, lost }).toEqual({ era: 1, lost: [[8, 10]] });
      room.close();
    });

    it('is found when it has grown over what was lost', async () => {
      const table = { lastSeq: 10, members: new Set<string>(), membersVersion: 0 };
      const { room, heard, frames, lost } = setUp(table);
      room.open(placeOf(10));
      Object.assign(table, { lastSeq: 12, regrownAfter: 7 });
      room.doubt();
      // Held until PostgreSQL has said where it stands.
      room.offer(offerOf(11, 0, 1));
      expect(heard).toEqual([]);
      await waitFor(() => frames.length > 0, { what: 'resync' });
      expect({ frames, head: room.head, lost }).toEqual({
        frames: [RESYNC(12)],
        head: 12,
        lost: [[0, 10]],
      });
      room.close();
    });

    it('those who take part no more hear nothing of it, and later changes count again', async () => {
      const table = { lastSeq: 5, members: new Set(['alice', 'bob']), membersVersion: 9 };
      const { room, audience, evicted, frames, admit } = setUp(table);
      room.open(placeOf(5, 9));
      admit(standIn('alice'), 9);
      admit(standIn('bob'), 9);
      Object.assign(table, { lastSeq: 3, regrownAfter: 2, membersVersion: 4 });
      table.members.delete('bob');
      room.doubt();
      await waitFor(() => frames.length > 0, { what: 'resync' });
      expect({ evicted, version: room.members.version }).toEqual({ evicted: ['bob'], version: 4 });
      room.offer(offerOf(4, 4, 1));
      expect(audience.at(-1)).toEqual(['alice']);
      expect(room.membershipChanged('removed', standIn('alice'), 5)).toBe(true);
      expect(evicted).toEqual(['bob', 'alice']);
      room.close();
    });

    it('a doubt without reason is told to nobody', async () => {
      const table = { lastSeq: 5, members: new Set<string>(), membersVersion: 0 };
      const { room, frames, heard, deps } = setUp(table);
      room.open(placeOf(4));
      room.offer(offerOf(5));
      // The same once more, and a late one that was read before it came.
      room.offer(offerOf(5));
      room.offer(offerOf(4));
      await waitFor(() => !room.inDoubt && deps.stats.doubts > 0, { what: 'the answer' });
      table.lastSeq = 6;
      room.offer(offerOf(6));
      expect({ heard, reopened: deps.stats.reopened }).toEqual({ heard: [5, 6], reopened: 0 });
      expect(frames.length).toBe(2);
      room.close();
    });
  });

  it('an order without hole or double, for any losses, doubles and shuffles', async () => {
    const offers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(
        offers,
        fc.nat({ max: 10 }),
        fc.nat({ max: 3 }),
        async (seqs, from, fails) => {
          const { room, heard, failures } = setUp({
            lastSeq: 40,
            members: new Set(),
            membersVersion: 0,
          });
          failures.left = fails;
          for (const seq of seqs.slice(0, 5)) room.offer(offerOf(seq));
          room.open(placeOf(from));
          for (const [index, seq] of seqs.slice(5).entries()) {
            if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
            room.offer(offerOf(seq));
          }
          room.noticeHead(40, 0);
          await waitFor(() => room.head === 40, { what: 'the head', intervalMs: 1 });
          expect(heard).toEqual(Array.from({ length: 40 - from }, (_, index) => from + index + 1));
          room.close();
        },
      ),
      { numRuns: 150 },
    );
  });
});
