import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_STATUS_SPAN } from '../../src/bounds/store.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import { markRead as markReadOn } from '../../src/store/cursors.ts';
import type { Database } from '../../src/store/database.ts';
import { createStoreFixture, nobody, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;
let carol: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
  carol = await f.user('Carol');
});
afterAll(() => f.close());

const markRead = (
  conversationId: CanonicalId,
  userId: CanonicalId,
  upToSeq: number | null = null,
) => f.store.markRead({ conversationId, userId, upToSeq });
const markDelivered = (conversationId: CanonicalId, userId: CanonicalId, upToSeq: number) =>
  f.store.markDelivered({ conversationId, userId, upToSeq });

/** A conversation in which the named people have written one message each, in that order. */
async function talk(participants: CanonicalId[], ...senders: CanonicalId[]): Promise<CanonicalId> {
  const id = await f.conversation(participants);
  for (const sender of senders) await f.post(id, sender);
  return id;
}

describe('a cursor', () => {
  it('moves up, and says where it stands and how many of others it newly covers', async () => {
    const id = await talk([alice, bob], alice, bob, alice, alice);
    expect(await markRead(id, bob, 3)).toEqual({ outcome: 'moved', seq: 3, marked: 2 });
    expect(await markRead(id, bob)).toEqual({ outcome: 'moved', seq: 4, marked: 1 });
    expect(await markDelivered(id, alice, 2)).toEqual({ outcome: 'moved', seq: 2, marked: 1 });
  });

  it('never moves back', async () => {
    const id = await talk([alice, bob], alice, alice, alice);
    await markRead(id, bob, 2);
    for (const upToSeq of [2, 1, 0]) {
      expect(await markRead(id, bob, upToSeq)).toEqual({ outcome: 'unchanged', seq: 2, marked: 0 });
      expect(await markDelivered(id, bob, upToSeq)).toMatchObject({ outcome: 'unchanged', seq: 2 });
    }
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 2,
      unread: { count: 1, exact: true },
    });
  });

  it('never passes the last message', async () => {
    const id = await talk([alice, bob], alice, alice);
    const far = Number.MAX_SAFE_INTEGER;
    expect(await markDelivered(id, bob, far)).toEqual({ outcome: 'moved', seq: 2, marked: 2 });
    expect(await markRead(id, bob, far)).toEqual({ outcome: 'moved', seq: 2, marked: 2 });
    await f.post(id, alice);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 2,
      unread: { count: 1, exact: true },
    });
  });

  it('of an empty conversation has nowhere to go', async () => {
    const id = await talk([alice, bob]);
    expect(await markRead(id, bob)).toEqual({ outcome: 'unchanged', seq: 0, marked: 0 });
  });

  it('is moved, for whoever asks again because the reply was lost, unless nobody ever moved it', async () => {
    /** Loses the reply of every first attempt. */
    const unlucky: Database = {
      ...f.database,
      async transaction(work) {
        await f.database.transaction(work);
        return f.database.transaction((sql, attempt) => work(sql, { ...attempt, mayBeDone: true }));
      },
    };
    const request = { userId: bob, upToSeq: null };
    const empty = { ...request, conversationId: await talk([alice, bob]) };
    expect(await markReadOn(unlucky, empty)).toMatchObject({ outcome: 'unchanged', seq: 0 });
    const one = { ...request, conversationId: await talk([alice, bob], alice) };
    expect(await markReadOn(unlucky, one)).toMatchObject({ outcome: 'moved', seq: 1 });
  });

  it('of reading takes the one of delivery along, not the other way round', async () => {
    const id = await talk([alice, bob], alice, alice, alice);
    await markDelivered(id, bob, 3);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 0,
      lastDeliveredSeq: 3,
    });
    await markRead(id, bob, 2);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 2,
      lastDeliveredSeq: 3,
    });
    await markRead(id, bob, 3);
    await f.post(id, alice);
    await markRead(id, bob);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 4,
      lastDeliveredSeq: 4,
    });
  });

  it('belongs to participants', async () => {
    const id = await talk([alice, bob], alice);
    expect(await markRead(id, carol)).toEqual({ outcome: 'not_a_participant' });
    expect(await markDelivered(id, carol, 1)).toEqual({ outcome: 'not_a_participant' });
    expect(await markRead(nobody, alice)).toEqual({ outcome: 'no_conversation' });
    expect(await markDelivered(nobody, alice, 1)).toEqual({ outcome: 'no_conversation' });
    expect(await f.statuses(id)).toEqual(['sent']);
  });

  it('covers more than one step can, and every message of it', async () => {
    const id = await f.conversation([alice, bob]);
    const count = MAX_STATUS_SPAN * 2 + 5;
    await f.post(id, alice, count);
    expect(await markRead(id, bob)).toEqual({ outcome: 'moved', seq: count, marked: count });
    expect(new Set(await f.statuses(id))).toEqual(new Set(['read']));
  });
});

describe('the status of a message', () => {
  type Step = ['read' | 'delivered', () => CanonicalId, number];
  const a = (): CanonicalId => alice;
  const b = (): CanonicalId => bob;
  const c = (): CanonicalId => carol;

  const truthTable: [string, () => CanonicalId[], () => CanonicalId[], Step[], string[]][] = [
    ['between two: nothing happened', () => [alice, bob], () => [alice], [], ['sent']],
    ['received', () => [alice, bob], () => [alice], [['delivered', b, 1]], ['delivered']],
    ['read', () => [alice, bob], () => [alice], [['read', b, 1]], ['read']],
    [
      'read and then received stays read',
      () => [alice, bob],
      () => [alice],
      [
        ['read', b, 1],
        ['delivered', b, 1],
      ],
      ['read'],
    ],
    [
      'one’s own reading counts for nothing',
      () => [alice, bob],
      () => [alice],
      [['read', a, 1]],
      ['sent'],
    ],
    [
      'each side reads the other’s',
      () => [alice, bob],
      () => [alice, bob],
      [
        ['read', a, 2],
        ['delivered', b, 2],
      ],
      ['delivered', 'read'],
    ],
    [
      'only what is covered',
      () => [alice, bob],
      () => [alice, alice, alice],
      [['read', b, 2]],
      ['read', 'read', 'sent'],
    ],
    [
      'in a group everyone else must have read it',
      () => [alice, bob, carol],
      () => [alice, alice],
      [
        ['read', b, 2],
        ['read', c, 1],
      ],
      ['read', 'sent'],
    ],
    [
      'in a group reading by some and receiving by the rest is delivery',
      () => [alice, bob, carol],
      () => [alice],
      [
        ['read', b, 1],
        ['delivered', c, 1],
      ],
      ['delivered'],
    ],
    [
      'in a group each message waits for other people',
      () => [alice, bob, carol],
      () => [alice, bob, carol],
      [
        ['read', a, 3],
        ['read', b, 3],
      ],
      ['sent', 'sent', 'read'],
    ],
    ['alone nobody reads it', () => [alice], () => [alice], [['read', a, 1]], ['sent']],
  ];

  it.each(truthTable)('%s', async (_, participants, senders, steps, expected) => {
    const id = await talk(participants(), ...senders());
    for (const [kind, who, upTo] of steps) {
      if (kind === 'read') await markRead(id, who(), upTo);
      else await markDelivered(id, who(), upTo);
    }
    expect(await f.statuses(id)).toEqual(expected);
  });

  it('is completed by the removal of the one it waited for', async () => {
    const id = await talk([alice, bob, carol], alice, bob, alice, alice);
    await markRead(id, bob, 3);
    await markDelivered(id, bob, 4);
    await markRead(id, carol, 1);
    expect(await f.statuses(id)).toEqual(['read', 'sent', 'sent', 'sent']);
    await f.store.removeParticipant({ conversationId: id, userId: carol });
    expect(await f.statuses(id)).toEqual(['read', 'sent', 'read', 'delivered']);
  });

  it('is completed over a long range too', async () => {
    const id = await f.conversation([alice, bob, carol]);
    const count = MAX_STATUS_SPAN + 5;
    await f.post(id, alice, count);
    await markRead(id, bob);
    await f.store.removeParticipant({ conversationId: id, userId: carol });
    expect(await f.statuses(id)).toEqual(Array.from({ length: count }, () => 'read'));
  });

  it('does not wait for those who joined after it', async () => {
    const id = await talk([alice, bob], alice);
    await f.store.addParticipant({
      conversationId: id,
      userId: carol,
      addedBy: null,
      maxParticipants: 256,
    });
    await f.post(id, alice);
    await markRead(id, bob);
    expect(await f.statuses(id)).toEqual(['read', 'sent']);
    expect(await markRead(id, carol)).toEqual({ outcome: 'moved', seq: 2, marked: 1 });
    expect(await f.statuses(id)).toEqual(['read', 'read']);
  });

  it('that an older program left unknown moves forward like sent', async () => {
    const id = await talk([alice, bob], alice, alice, alice);
    await f.sql`UPDATE messaging.messages SET status = NULL WHERE conversation_id = ${id} AND seq = 1`;
    await f.sql`UPDATE messaging.messages SET status = 'seen' WHERE conversation_id = ${id} AND seq = 2`;
    await markDelivered(id, bob, 2);
    expect(await f.statuses(id)).toEqual(['delivered', 'delivered', 'sent']);
    await markRead(id, bob);
    expect(await f.statuses(id)).toEqual(['read', 'read', 'read']);
  });
});
