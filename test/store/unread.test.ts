// What is unread, counted by looks of bounded cost; plans.test.ts holds what they touch.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_UNREAD_LOOK } from '../../src/bounds/store.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import { createStoreFixture, openStore, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
});
afterAll(() => f.close());

/** What a join and a list say is unread; both must say the same. */
async function unreadOf(conversationId: CanonicalId, userId: CanonicalId) {
  const standing = await f.store.readStanding(conversationId, userId);
  if (standing === null) throw new Error('Not a participant');
  const { lastReadSeq, lastSeq } = standing;
  const joined =
    standing.unread ?? (await f.store.readUnread({ conversationId, userId, lastReadSeq, lastSeq }));
  const page = await f.store.listConversations({ userId, limit: 500, cursor: null });
  const listed = page?.conversations.find(({ id }) => id === conversationId);
  expect({ count: listed?.unread_count, exact: listed?.unread_exact }).toEqual(joined);
  return joined;
}

describe('unread messages', () => {
  it('are counted exactly up to a thousand, with any of one’s own between them', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, bob, 500);
    expect(await unreadOf(id, alice)).toEqual({ count: 500, exact: true });
    await f.post(id, alice, 3_000);
    await f.post(id, bob, 500);
    expect(await unreadOf(id, alice)).toEqual({ count: 1_000, exact: true });
    expect(await unreadOf(id, bob)).toEqual({ count: 4_000, exact: false });
  });

  it('beyond a thousand are the positions after the cursor, and said not to be exact', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, 7);
    await f.post(id, bob, 1_001);
    expect(await unreadOf(id, alice)).toEqual({ count: 1_008, exact: false });
    await f.store.markRead({ conversationId: id, userId: alice, upToSeq: 8 });
    expect(await unreadOf(id, alice)).toEqual({ count: 1_000, exact: true });
  });

  it('are looked for at so many positions and no more, whoever sent what is there', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, MAX_UNREAD_LOOK - 1);
    await f.post(id, bob);
    expect(await unreadOf(id, alice)).toEqual({ count: 1, exact: true });
    await f.post(id, bob);
    expect(await unreadOf(id, alice)).toEqual({ count: MAX_UNREAD_LOOK + 1, exact: false });
  });

  it('are counted around messages that are gone', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, bob, 10);
    await f.sql`DELETE FROM messaging.messages WHERE conversation_id = ${id} AND seq IN (1, 5, 10)`;
    expect(await unreadOf(id, alice)).toEqual({ count: 7, exact: true });
  });

  it('are none behind a cursor from a lost future', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, bob, 3);
    await f.sql`
      UPDATE messaging.conversation_participants SET last_read_seq = 50
      WHERE conversation_id = ${id} AND participant_id = ${alice}`;
    expect(await unreadOf(id, alice)).toEqual({ count: 0, exact: true });
  });

  it('of what came after the standing are not in it', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, bob, 5);
    const at = { conversationId: id, userId: alice, lastReadSeq: 0, lastSeq: 3 };
    expect(await f.store.readUnread(at)).toEqual({ count: 3, exact: true });
  });
});

describe('a page of the list', () => {
  const listing = (limits: object) => openStore(f.database, limits);

  it('ends before the conversation that is too much, and the next begins with it', async () => {
    const carol = await f.user('Carol');
    const people = await Promise.all(Array.from({ length: 9 }, (_, n) => f.user(`user ${n}`)));
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const id = await f.conversation([carol, ...people]);
      await f.sql`
        UPDATE messaging.conversations SET last_message_at = ${`2024-01-0${9 - n}`} WHERE id = ${id}`;
      made.push(id);
    }
    await f.post(made[0] ?? '', carol);

    async function pagesOf(limits: object): Promise<string[][]> {
      const pages: string[][] = [];
      for (let cursor: string | null = null; ; ) {
        const page = await listing(limits).listConversations({ userId: carol, limit: 500, cursor });
        if (page === null) throw new Error('Its own cursor was refused');
        pages.push(page.conversations.map(({ id }) => id));
        expect(page.conversations.every(({ participants }) => participants.length === 10)).toBe(
          true,
        );
        if (page.nextCursor === null) return pages;
        cursor = page.nextCursor;
      }
    }
    const [a, b, c, d, e] = made as [string, string, string, string, string];
    expect(await pagesOf({})).toEqual([[a, b, c, d, e]]);
    expect(await pagesOf({ maxListPeople: 29 })).toEqual([[a, b], [c, d], [e]]);
    expect(await pagesOf({ maxListPeople: 3 })).toEqual([[a], [b], [c], [d], [e]]);
    // One message each, of nine bytes.
    for (const id of made.slice(1).reverse()) await f.post(id, carol);
    await f.sql`UPDATE messaging.conversations SET last_message_at = created_at`;
    const byBytes = await pagesOf({ maxListBytes: 18 });
    expect(byBytes.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(byBytes.flat().sort()).toEqual([...made].sort());
    expect((await pagesOf({ maxListLook: 4 })).map((page) => page.length)).toEqual([4, 1]);
  });
});
