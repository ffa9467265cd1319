import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConversationSummary } from '../../src/chat/schemas.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import { foldId } from '../../src/shared/ids.ts';
import { decodeCursor, encodeCursor } from '../../src/store/list.ts';
import { createStoreFixture, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
beforeAll(async () => {
  f = await createStoreFixture();
});
afterAll(() => f.close());

/** Follows the cursors to the end. */
async function listAll(userId: CanonicalId, limit: number): Promise<ConversationSummary[][]> {
  const pages: ConversationSummary[][] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await f.store.listConversations({ userId, limit, cursor });
    if (page === null) throw new Error('Its own cursor was refused');
    pages.push(page.conversations);
    if (page.nextCursor === null) return pages;
    cursor = page.nextCursor;
  }
}

const ids = (conversations: ConversationSummary[]): string[] => conversations.map(({ id }) => id);

describe("a user's list", () => {
  it('shows each conversation with participants, last message and what is unread', async () => {
    const [anna, ben] = [await f.user('Anna'), await f.user('Ben')];
    const id = await f.conversation([anna, ben]);
    await f.post(id, ben, 2);
    await f.post(id, anna);
    await f.post(id, ben);
    await f.store.markRead({ conversationId: id, userId: anna, upToSeq: 1 });

    const page = await f.store.listConversations({ userId: anna, limit: 10, cursor: null });
    expect(page).toMatchObject({
      nextCursor: null,
      conversations: [
        {
          id,
          request_match_id: null,
          participants: [
            { id: anna, name: 'Anna' },
            { id: ben, name: 'Ben' },
          ].sort((a, b) => (a.id < b.id ? -1 : 1)),
          last_message: { seq: 4, sender_id: ben, sender_name: 'Ben', content: 'message 4' },
          last_seq: 4,
          last_read_seq: 1,
          unread_count: 2,
        },
      ],
    });
    expect(page?.conversations[0]?.last_message_at).toMatch(/T.*\.\d{3}Z$/);
    expect(page?.conversations[0]?.created_at).toMatch(/T.*\.\d{3}Z$/);
  });

  it('shows the newest message that is there where somebody deleted the last ones', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    const id = await f.conversation([anna, ben]);
    await f.post(id, ben, 5);
    const list = async () => {
      const page = await f.store.listConversations({ userId: anna, limit: 10, cursor: null });
      return page?.conversations[0];
    };
    await f.sql`DELETE FROM messaging.messages WHERE conversation_id = ${id} AND seq IN (2, 4, 5)`;
    expect(await list()).toMatchObject({ last_message: { seq: 3 }, last_seq: 5, unread_count: 2 });
    await f.sql`DELETE FROM messaging.messages WHERE conversation_id = ${id}`;
    expect(await list()).toMatchObject({ last_message: null, last_seq: 5, unread_count: 0 });
  });

  it('has no last message where there is none', async () => {
    const anna = await f.user();
    await f.conversation([anna]);
    const page = await f.store.listConversations({ userId: anna, limit: 10, cursor: null });
    expect(page?.conversations).toMatchObject([
      { last_message: null, last_message_at: null, last_seq: 0, unread_count: 0 },
    ]);
  });

  it('is empty for someone in none, and leaves out those one was removed from', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    expect(await listAll(anna, 10)).toEqual([[]]);
    const id = await f.conversation([anna, ben]);
    await f.store.removeParticipant({ conversationId: id, userId: anna });
    expect(await listAll(anna, 10)).toEqual([[]]);
  });

  it('brings a conversation to the front as soon as there is a message', async () => {
    const anna = await f.user();
    const [first, second] = [await f.conversation([anna]), await f.conversation([anna])];
    // Far apart, and then within the same seconds: both ways of being placed.
    await f.sql`
      UPDATE messaging.conversations SET created_at = '2024-01-01' WHERE id IN (${first}, ${second})`;
    await f.post(first, anna);
    expect(ids((await listAll(anna, 10)).flat())).toEqual([first, second]);
    await f.post(second, anna);
    await f.sql`
      UPDATE messaging.conversations SET last_message_at = last_message_at + interval '5 ms'
      WHERE id = ${second}`;
    expect(ids((await listAll(anna, 10)).flat())).toEqual([second, first]);
    await f.sql`
      UPDATE messaging.conversations SET last_message_at = last_message_at + interval '1 minute'
      WHERE id = ${first}`;
    expect(ids((await listAll(anna, 10)).flat())).toEqual([first, second]);
  });

  it('places someone who joins later by the time of the conversation', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    const old = await f.conversation([ben]);
    await f.sql`UPDATE messaging.conversations SET created_at = '2024-01-01' WHERE id = ${old}`;
    const fresh = await f.conversation([anna]);
    await f.store.addParticipant({
      conversationId: old,
      userId: anna,
      addedBy: null,
      maxParticipants: 256,
    });
    expect(ids((await listAll(anna, 1)).flat())).toEqual([fresh, old]);
  });
});

describe('paging', () => {
  it('gives every conversation once, latest first, for any times and page size', async () => {
    const anna = await f.user();
    await f.sql`
      INSERT INTO messaging.conversations (id)
      SELECT uuid_generate_v4() FROM generate_series(1, 40)`;
    const rows = await f.sql<{ id: CanonicalId }[]>`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      SELECT c.id, ${anna}::uuid FROM messaging.conversations c
      WHERE NOT EXISTS (
        SELECT FROM messaging.conversation_participants WHERE conversation_id = c.id
      ) RETURNING conversation_id AS id`;
    const all = rows.map(({ id }) => id);
    expect(all.length).toBeGreaterThanOrEqual(40);

    // Microseconds since 2024: many equal, many within one ten-second slice, some far apart; null
    // is a conversation without a message.
    const time = fc.oneof(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 30_000_000 }),
      fc.integer({ min: 0, max: 40_000_000_000 }),
      fc.constant(null),
    );
    const times = fc.array(time, { minLength: all.length, maxLength: all.length });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 45 }), async (offsets, limit) => {
        await f.sql`
          UPDATE messaging.conversations c
          SET last_message_at = '2024-01-01'::timestamp + t.us * interval '1 microsecond',
            created_at = '2023-06-01'
          FROM unnest(${all}::uuid[], ${offsets}::bigint[]) AS t (id, us) WHERE t.id = c.id`;
        const expected = all
          .map((id, index) => ({ id, at: offsets[index] ?? Number.NEGATIVE_INFINITY }))
          .sort((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1))
          .map(({ id }) => id);
        const pages = await listAll(anna, limit);
        expect(ids(pages.flat())).toEqual(expected);
        expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('goes on correctly when the conversation the cursor came from moves up', async () => {
    const anna = await f.user();
    const made: string[] = [];
    for (let n = 0; n < 4; n += 1) {
      const id = await f.conversation([anna]);
      await f.sql`
        UPDATE messaging.conversations SET last_message_at = ${`2024-01-0${9 - n}`} WHERE id = ${id}`;
      made.push(id);
    }
    const first = await f.store.listConversations({ userId: anna, limit: 2, cursor: null });
    await f.post(made[1] ?? '', anna);
    const second = await f.store.listConversations({
      userId: anna,
      limit: 2,
      cursor: first?.nextCursor ?? null,
    });
    expect(ids(second?.conversations ?? [])).toEqual(made.slice(2));
    expect(second?.nextCursor).toBeNull();
  });
});

describe('a conversation from the future', () => {
  it('goes to its place with the next message, and paging meanwhile misses nobody', async () => {
    const anna = await f.user();
    const made: string[] = [];
    for (const at of ['2199-01-01', '2198-01-01', '2024-01-02', '2024-01-01']) {
      const id = await f.conversation([anna]);
      await f.sql`UPDATE messaging.conversations SET last_message_at = ${at} WHERE id = ${id}`;
      made.push(id);
    }
    const [ahead = '', ...others] = made;
    const first = await f.store.listConversations({ userId: anna, limit: 1, cursor: null });
    expect(ids(first?.conversations ?? [])).toEqual([ahead]);
    await f.post(ahead, anna);
    const rest: string[] = [];
    for (let cursor = first?.nextCursor ?? null; cursor !== null; ) {
      const page = await f.store.listConversations({ userId: anna, limit: 1, cursor });
      rest.push(...ids(page?.conversations ?? []));
      cursor = page?.nextCursor ?? null;
    }
    // Once too often rather than once too seldom.
    expect(rest).toEqual([others[0], ahead, ...others.slice(1)]);
    expect(ids((await listAll(anna, 10)).flat())).toEqual(rest);
  });
});

describe('a cursor', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.uuid().map(foldId), (atUs, id) => {
        const cursor = encodeCursor({ atUs, id });
        expect(cursor).toMatch(/^[\w-]{1,200}$/);
        expect(decodeCursor(cursor)).toEqual({ atUs, id });
      }),
    );
  });

  it('that is not one of ours gives null', async () => {
    const b64 = (text: string): string => Buffer.from(text).toString('base64url');
    const id = foldId('00000000-0000-4000-8000-00000000000a');
    const malformed = [
      '',
      'x',
      '%%%',
      b64(''),
      b64('1'),
      b64(`1/${id}/`),
      b64(`/${id}`),
      b64(`1e3/${id}`),
      b64(`1.5/${id}`),
      b64(`01/${id}`),
      b64(`NaN/${id}`),
      b64(`9007199254740993/${id}`),
      b64("1/' OR 1=1"),
      `${b64(`1/${id}`)}=`,
      ` ${b64(`1/${id}`)}`,
    ];
    for (const cursor of malformed) {
      expect(await f.store.listConversations({ userId: id, limit: 1, cursor })).toBeNull();
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async (cursor) => {
        // Whatever it is, it is a page or null, never an error.
        await f.store.listConversations({ userId: id, limit: 1, cursor });
      }),
    );
  });

  it('at the ends of what a number holds is answered', async () => {
    const id = foldId('00000000-0000-4000-8000-00000000000a');
    for (const atUs of [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0]) {
      const cursor = encodeCursor({ atUs, id });
      expect(await f.store.listConversations({ userId: id, limit: 1, cursor })).not.toBeNull();
    }
  });
});
