import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CanonicalId } from '../../src/shared/ids.ts';
import type { Database, Sql } from '../../src/store/database.ts';
import { createDeliveryReads } from '../../src/store/delivery-reads.ts';
import {
  createStoreFixture,
  nobody,
  openDatabase,
  openStore,
  type StoreFixture,
} from './fixture.ts';

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

/** Reads over a database that counts its queries. */
function counting(limits: { maxBatch?: number; maxRangeRows?: number; maxWaiting?: number } = {}) {
  let queries = 0;
  const database: Database = {
    ...f.database,
    query: <T>(work: (sql: Sql) => Promise<T>) => {
      queries += 1;
      return f.database.query(work);
    },
  };
  const reads = createDeliveryReads(database, {
    maxBatch: 1000,
    maxRangeRows: 2000,
    maxInFlight: 1,
    paceMs: 0,
    maxWaiting: 20_000,
    maxWaitMs: 5_000,
    ...limits,
  });
  return { reads, queries: () => queries };
}

describe('a standing', () => {
  it('is one participant’s place in a conversation', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, 3);
    await f.post(id, bob, 2);
    await f.store.markDelivered({ conversationId: id, userId: bob, upToSeq: 2 });
    await f.store.markRead({ conversationId: id, userId: bob, upToSeq: 1 });
    const standing = await f.store.readStanding(id, bob);
    expect(standing).toEqual({
      lastSeq: 5,
      lastMessageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      lostFuture: null,
      membersVersion: expect.any(Number),
      lastReadSeq: 1,
      lastDeliveredSeq: 2,
      unread: { count: 2, exact: true },
    });
  });

  it('is null for strangers and unknown conversations', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, bob, 2);
    const [stranger, unknown, there] = await Promise.all([
      f.store.readStanding(id, carol),
      f.store.readStanding(nobody, alice),
      f.store.readStanding(id, alice),
    ]);
    expect([stranger, unknown]).toEqual([null, null]);
    expect(there).toMatchObject({ lastSeq: 2, unread: { count: 2, exact: true } });
  });

  it('for a reconnect storm takes few queries, and each gets its own', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, (_, n) => f.user(`user ${n}`)));
    const rooms = await Promise.all(
      Array.from({ length: 10 }, async (_, room) => {
        const id = await f.conversation([alice, ...users]);
        await f.post(id, alice, 10 + room);
        for (const [upToSeq, userId] of users.entries()) {
          if (upToSeq > 0) await f.store.markRead({ conversationId: id, userId, upToSeq });
        }
        return id;
      }),
    );
    const { reads, queries } = counting();
    const asked = Array.from({ length: 5000 }, (_, n) => ({
      conversationId: rooms[n % 10] ?? nobody,
      userId: users[Math.floor(n / 10) % 10] ?? nobody,
    }));
    const standings = await Promise.all(
      asked.map(({ conversationId, userId }) => reads.readStanding(conversationId, userId)),
    );
    expect(standings.map((s) => [s?.lastSeq, s?.lastReadSeq])).toEqual(
      asked.map((_, n) => [10 + (n % 10), Math.floor(n / 10) % 10]),
    );
    expect(queries()).toBe(5);
  });

  it('beyond the waiting line is refused as unavailable', async () => {
    const id = await f.conversation([alice]);
    const { reads } = counting({ maxWaiting: 3 });
    const answers = await Promise.allSettled(
      Array.from({ length: 5 }, () => reads.readStanding(id, alice)),
    );
    expect(answers.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(answers[4]).toMatchObject({ reason: { code: 'unavailable' } });
  });
});

describe('a participant', () => {
  it('has a stored name; a stranger is null', async () => {
    const nameless = await f.user();
    await f.sql`UPDATE auth.users SET name = NULL WHERE id = ${nameless}`;
    const id = await f.conversation([alice, nameless]);
    const { reads, queries } = counting();
    expect(
      await Promise.all([
        reads.readParticipant(id, alice),
        reads.readParticipant(id, nameless),
        reads.readParticipant(id, bob),
        reads.readParticipant(nobody, bob),
      ]),
    ).toEqual([{ name: 'Alice' }, { name: null }, null, null]);
    expect(queries()).toBe(1);
  });
});

describe('heads', () => {
  it('are those of the conversations that exist', async () => {
    const [one, two] = [await f.conversation([alice]), await f.conversation([alice, bob])];
    await f.post(two, bob, 4);
    const heads = await f.store.readHeads([two, nobody, one]);
    expect(heads).toHaveLength(2);
    expect(heads.find(({ conversationId }) => conversationId === one)).toMatchObject({
      lastSeq: 0,
    });
    expect(heads.find(({ conversationId }) => conversationId === two)).toMatchObject({
      lastSeq: 4,
    });
    expect(await f.store.readHeads([])).toEqual([]);
  });

  it('are told only of those that have moved on, and which are gone', async () => {
    const [still, talked, joined] = await Promise.all([
      f.conversation([alice]),
      f.conversation([alice, bob]),
      f.conversation([alice]),
    ]);
    const before = await f.store.readHeads([still, talked, joined]);
    const [knownTalked] = before.filter(({ conversationId }) => conversationId === talked);
    expect(await f.store.readMoved(before)).toEqual({ moved: [], gone: [] });
    await f.post(talked, bob, 2);
    await f.store.addParticipant({
      conversationId: joined,
      userId: bob,
      addedBy: null,
      maxParticipants: 5,
    });
    const after = await f.store.readHeads([talked, joined]);
    const lost = { conversationId: nobody, lastSeq: 3, membersVersion: 1 };
    const { moved, gone } = await f.store.readMoved([...before, lost]);
    expect(new Set(moved)).toEqual(new Set(after));
    expect(gone).toEqual([nobody]);
    expect(moved.find(({ conversationId }) => conversationId === talked)).toEqual({
      ...knownTalked,
      lastSeq: 2,
    });
    expect(await f.store.readMoved([])).toEqual({ moved: [], gone: [] });
  });

  it('of callers at once share queries, each within the limit', async () => {
    const ids = await Promise.all(Array.from({ length: 7 }, () => f.conversation([alice])));
    const { reads, queries } = counting({ maxBatch: 5 });
    const [all, some, none] = await Promise.all([
      reads.readHeads(ids),
      reads.readHeads(ids.slice(0, 2)),
      reads.readHeads([]),
    ]);
    expect(all.map(({ conversationId }) => conversationId).sort()).toEqual([...ids].sort());
    expect(some.map(({ conversationId }) => conversationId).sort()).toEqual(ids.slice(0, 2).sort());
    expect(none).toEqual([]);
    expect(queries()).toBe(2);
  });
});

describe('a range', () => {
  it('is the messages after one seq up to another, in order, at most so many', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, 6);
    await f.post(id, bob, 4);
    const read = async (afterSeq: number, upToSeq: number, limit: number) => {
      const range = await f.store.readRange({ conversationId: id, afterSeq, upToSeq, limit });
      return range.messages.map(({ seq }) => seq);
    };
    expect(await read(4, 8, 100)).toEqual([5, 6, 7, 8]);
    expect(await read(0, 100, 3)).toEqual([1, 2, 3]);
    expect(await read(10, 20, 10)).toEqual([]);
    expect(await read(8, 4, 10)).toEqual([]);
    const range = await f.store.readRange({
      conversationId: id,
      afterSeq: 9,
      upToSeq: 10,
      limit: 1,
    });
    const [head] = await f.store.readHeads([id]);
    expect(range).toMatchObject({
      membersVersion: head?.membersVersion,
      messages: [{ conversation_id: id, seq: 10, sender_name: 'Bob', content: 'message 10' }],
    });
  });

  it('has the membership version also when there are no messages', async () => {
    const id = await f.conversation([alice, bob]);
    const [head] = await f.store.readHeads([id]);
    expect(
      await f.store.readRange({ conversationId: id, afterSeq: 0, upToSeq: 9, limit: 9 }),
    ).toEqual({
      messages: [],
      coveredSeq: 0,
      lastSeq: 0,
      membersVersion: head?.membersVersion,
    });
    expect(
      await f.store.readRange({ conversationId: nobody, afterSeq: 0, upToSeq: 9, limit: 9 }),
    ).toEqual({ messages: [], coveredSeq: 0, lastSeq: 0, membersVersion: 0 });
  });

  it('of many conversations at once shares queries of bounded size', async () => {
    const rooms = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const id = await f.conversation([alice]);
        await f.post(id, alice, n + 1);
        return { id, last: n + 1 };
      }),
    );
    const { reads, queries } = counting({ maxRangeRows: 40 });
    const ranges = await Promise.all(
      rooms.map(({ id }) =>
        reads.readRange({ conversationId: id, afterSeq: 1, upToSeq: 1000, limit: 10 }),
      ),
    );
    for (const [index, { id, last }] of rooms.entries()) {
      const messages = ranges[index]?.messages ?? [];
      expect(messages.every(({ conversation_id }) => conversation_id === id)).toBe(true);
      expect(messages.map(({ seq }) => seq)).toEqual(
        Array.from({ length: Math.min(10, last - 1) }, (_, at) => at + 2),
      );
    }
    // 12 ranges of at most 10 messages, 40 to a query.
    expect(queries()).toBe(3);
  });
});

describe('when the database is away', () => {
  it('everything is unavailable', async () => {
    const database = openDatabase('postgres://postgres@127.0.0.1:1/none', 2);
    const reads = createDeliveryReads(database, {
      maxBatch: 10,
      maxRangeRows: 10,
      maxInFlight: 1,
      paceMs: 0,
      maxWaiting: 100,
      maxWaitMs: 5_000,
    });
    const away = { code: 'unavailable' };
    await expect(reads.readStanding(nobody, nobody)).rejects.toMatchObject(away);
    await expect(reads.readParticipant(nobody, nobody)).rejects.toMatchObject(away);
    await expect(reads.readHeads([nobody])).rejects.toMatchObject(away);
    await expect(reads.readMembers(nobody, [nobody])).rejects.toMatchObject(away);
    await expect(
      reads.readRange({ conversationId: nobody, afterSeq: 0, upToSeq: 1, limit: 1 }),
    ).rejects.toMatchObject(away);
    await database.close(100);
  });

  it('and a ping says whether it is', async () => {
    await f.store.ping();
    const database = openDatabase('postgres://postgres@127.0.0.1:1/none', 1);
    await expect(openStore(database).ping()).rejects.toMatchObject({ code: 'unavailable' });
    await database.close(100);
  });
});
