/** A room's order, whatever the bus does: offers are lost, doubled and shuffled at will. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/chat/schemas.ts';
import type { Member } from '../../src/delivery/member.ts';
import { Room, type RoomContext } from '../../src/delivery/room.ts';
import type { Socket } from '../../src/realtime/socket.ts';
import { waitFor } from '../support/wait.ts';

const CONVERSATION = '00000000-0000-4000-8000-0000000000c0';

function message(seq: number): Message {
  return {
    id: `00000000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
    conversation_id: CONVERSATION,
    seq,
    sender_id: '00000000-0000-4000-8000-00000000000a',
    sender_name: 'Alice',
    content: `message ${seq}`,
    message_type: 'text',
    media_url: null,
    client_message_id: null,
    status: 'sent',
    created_at: '2026-01-01T00:00:00.000Z',
  };
}

const frameOf = (seq: number): string => `42["new_message",${JSON.stringify(message(seq))}]`;
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
}) {
  const frames: (string | Uint8Array)[] = [];
  const heard: number[] = [];
  const audience: string[][] = [];
  const evicted: string[] = [];
  const failures = { left: 0 };
  const live = new Map<Socket, Member>();
  const failSometimes = () => {
    if (failures.left === 0) return;
    failures.left -= 1;
    throw new Error('PostgreSQL is away');
  };
  const context: RoomContext = {
    store: {
      async readRange({ afterSeq, upToSeq, limit }) {
        await Promise.resolve();
        failSometimes();
        const last = Math.min(upToSeq, table.lastSeq, afterSeq + limit);
        const messages: Message[] = [];
        for (let seq = afterSeq + 1; seq <= last; seq += 1) {
          if (!table.deleted?.has(seq)) messages.push(message(seq));
        }
        return { messages, membersVersion: table.membersVersion };
      },
      async readMembers(_conversationId, userIds) {
        await Promise.resolve();
        failSometimes();
        const members = new Set(userIds.filter((id) => table.members.has(id)));
        return { members, membersVersion: table.membersVersion };
      },
    },
    publish(_topic, frame) {
      frames.push(frame);
      if (!String(frame).startsWith('42["new_message"')) return;
      heard.push(seqOf(frame));
      audience.push([...room.members.values()].filter((m) => m.live).map((m) => m.userId));
    },
    evicted: (_room, member) => evicted.push(member.userId),
    limits: { holeHoldMs: 1, maxHeld: 8, readLimit: 5, retryMs: 1 },
    log: { warn: () => undefined },
    stats: { delivered: 0, held: 0, repairs: 0, repairedMessages: 0, recheckedMembers: 0 },
  };
  const room = new Room(CONVERSATION, `c:${CONVERSATION}`, context);
  const admit = (userId: string, asOf: number) => {
    const socket = { leave: () => undefined } as unknown as Socket;
    const member: Member = { socket, userId, asOf, live: true, gone: false, evicted: false };
    room.members.set(socket, member);
    live.set(socket, member);
  };
  return { room, heard, frames, audience, evicted, failures, context, admit };
}

describe('a room', () => {
  it('hands out head + 1 at once, holds what is early, drops what it had', () => {
    const { room, heard } = setUp({ lastSeq: 9, members: new Set(), membersVersion: 0 });
    room.open({ lastSeq: 4, membersVersion: 0 });
    for (const seq of [4, 5, 7, 5, 6, 7]) room.offer(seq, 0, frameOf(seq));
    expect(heard).toEqual([5, 6, 7]);
    room.close();
  });

  it('holds what comes before it is opened, and opens after the head that was read', () => {
    const { room, heard } = setUp({ lastSeq: 3, members: new Set(), membersVersion: 0 });
    for (const seq of [3, 2, 4]) room.offer(seq, 0, frameOf(seq));
    room.open({ lastSeq: 2, membersVersion: 0 });
    expect(heard).toEqual([3, 4]);
    room.close();
  });

  it('reads a hole, and a lost tail, from PostgreSQL', async () => {
    const { room, heard } = setUp({ lastSeq: 30, members: new Set(), membersVersion: 0 });
    room.open({ lastSeq: 0, membersVersion: 0 });
    room.offer(20, 0, frameOf(20));
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
    room.open({ lastSeq: 0, membersVersion: 0 });
    room.offer(5, 0, frameOf(5));
    await waitFor(() => heard.length === 5, { what: 'the repair after failures' });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
    room.close();
  });

  it('delivers nothing past a removal that only the message’s version tells of', async () => {
    const table = { lastSeq: 2, members: new Set(['alice', 'bob']), membersVersion: 1 };
    const { room, heard, audience, evicted, admit } = setUp(table);
    room.open({ lastSeq: 0, membersVersion: 1 });
    admit('alice', 1);
    admit('bob', 1);
    room.offer(1, 1, frameOf(1));
    table.members.delete('bob');
    table.membersVersion = 2;
    room.offer(2, 2, frameOf(2));
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
    room.open({ lastSeq: 0, membersVersion: 3 });
    admit('bob', 3);
    expect(room.membershipChanged('removed', 'bob', 2)).toBe(false);
    expect(evicted).toEqual([]);
    room.close();
  });

  it('a conversation deleted under a message that waits: nobody is left, nothing is asked for ever', async () => {
    const table = { lastSeq: 0, members: new Set<string>(), membersVersion: 0 };
    const { room, heard, evicted, context, admit } = setUp(table);
    room.open({ lastSeq: 3, membersVersion: 1 });
    admit('alice', 1);
    room.offer(4, 2, frameOf(4));
    await waitFor(() => evicted.length === 1, { what: 'the eviction' });
    await waitFor(() => context.stats.repairs === 1, { what: 'the look for the message itself' });
    const asked = context.stats.recheckedMembers;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect({ evicted, heard, asked: context.stats.recheckedMembers - asked }).toEqual({
      evicted: ['alice'],
      heard: [],
      asked: 0,
    });
    room.close();
  });

  it('a hole in PostgreSQL itself is told with resync, not waited for', async () => {
    const { room, heard, frames } = setUp({
      lastSeq: 9,
      members: new Set(),
      membersVersion: 0,
      deleted: new Set([2, 3]),
    });
    room.open({ lastSeq: 0, membersVersion: 0 });
    room.noticeHead(9, 0);
    await waitFor(() => room.head === 9, { what: 'what is left' });
    expect(frames.find((frame) => String(frame).includes('resync'))).toBe(
      `42["resync",{"conversation_id":"${CONVERSATION}","last_seq":3}]`,
    );
    expect(heard).toEqual([1, 4, 5, 6, 7, 8, 9]);
    room.close();
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
          for (const seq of seqs.slice(0, 5)) room.offer(seq, 0, frameOf(seq));
          room.open({ lastSeq: from, membersVersion: 0 });
          for (const [index, seq] of seqs.slice(5).entries()) {
            if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
            room.offer(seq, 0, frameOf(seq));
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
