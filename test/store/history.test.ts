import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryRequest } from '../../src/chat/ports.ts';
import { type CanonicalId, NIL_UUID } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
import { createStoreFixture, nobody, openStore, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;
let talk: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
  talk = await f.conversation([alice, bob]);
  for (let n = 0; n < 5; n += 1) {
    await f.post(talk, alice);
    await f.post(talk, bob);
  }
});
afterAll(() => f.close());

const read = (request: Partial<HistoryRequest>) =>
  f.store.readHistory({
    conversationId: talk,
    viewerId: alice,
    limit: 3,
    place: { offset: 0 },
    ...request,
  });

async function seqs(request: Partial<HistoryRequest>): Promise<number[]> {
  const page = await read(request);
  if (page.outcome !== 'page') throw new Error(page.outcome);
  expect(page.total).toBe(10);
  return page.messages.map(({ seq }) => seq);
}

/** A database that counts the questions it is asked. */
function countQueries(database: Database): { database: Database; queries: () => number } {
  let queries = 0;
  const query: Database['query'] = (work) => {
    queries += 1;
    return database.query(work);
  };
  return { database: { ...database, query }, queries: () => queries };
}

describe('a page of history', () => {
  it('is the newest in chronological order', async () => {
    expect(await seqs({})).toEqual([8, 9, 10]);
  });

  it('at an offset counts from the newest', async () => {
    expect(await seqs({ place: { offset: 2 } })).toEqual([6, 7, 8]);
    expect(await seqs({ place: { offset: 8 } })).toEqual([1, 2]);
    expect(await seqs({ place: { offset: 10 } })).toEqual([]);
    expect(await seqs({ place: { offset: Number.MAX_SAFE_INTEGER } })).toEqual([]);
  });

  it('before a seq goes down from it, after a seq goes up from it', async () => {
    expect(await seqs({ place: { beforeSeq: 5 } })).toEqual([2, 3, 4]);
    expect(await seqs({ place: { beforeSeq: 1 } })).toEqual([]);
    expect(await seqs({ place: { beforeSeq: Number.MAX_SAFE_INTEGER } })).toEqual([8, 9, 10]);
    expect(await seqs({ place: { afterSeq: 0 } })).toEqual([1, 2, 3]);
    expect(await seqs({ place: { afterSeq: 8 } })).toEqual([9, 10]);
    expect(await seqs({ place: { afterSeq: 10 } })).toEqual([]);
  });

  it('between two seqs goes up from the lower', async () => {
    expect(await seqs({ place: { afterSeq: 2, beforeSeq: 5 } })).toEqual([3, 4]);
    expect(await seqs({ place: { afterSeq: 2, beforeSeq: 9 } })).toEqual([3, 4, 5]);
    expect(await seqs({ place: { afterSeq: 5, beforeSeq: 5 } })).toEqual([]);
  });

  it('has the whole message, its sender named', async () => {
    const page = await read({ limit: 1, place: { offset: 9 } });
    if (page.outcome !== 'page') throw new Error(page.outcome);
    expect(page.messages).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        conversation_id: talk,
        seq: 1,
        sender_id: alice,
        sender_name: 'Alice',
        content: 'message 1',
        message_type: 'text',
        media_url: null,
        client_message_id: null,
        status: 'sent',
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    ]);
  });

  it('of an empty conversation is empty', async () => {
    const conversationId = await f.conversation([alice]);
    expect(await read({ conversationId })).toEqual({ outcome: 'page', messages: [], total: 0 });
  });

  it('has every text as it was stored', async () => {
    const conversationId = await f.conversation([alice, bob]);
    const texts = [
      '"',
      '\\',
      'a,b{c}',
      'NULL',
      'null',
      '\n\t\u0001\u001f',
      '\u2028',
      '👩‍👩‍👧',
      'é',
      ' ',
    ];
    await f.post(conversationId, bob, texts.length);
    await f.sql`
      UPDATE messaging.messages SET content = t.text, media_url = t.text, client_message_id = t.text
      FROM unnest(${texts}::text[]) WITH ORDINALITY t (text, n)
      WHERE conversation_id = ${conversationId} AND seq = t.n`;
    await f.sql`UPDATE auth.users SET name = ${'O\'"\\Neill'} WHERE id = ${bob}`;
    const page = await read({ conversationId, limit: 50 });
    await f.sql`UPDATE auth.users SET name = 'Bob' WHERE id = ${bob}`;
    if (page.outcome !== 'page') throw new Error(page.outcome);
    expect(page.messages.map(({ content }) => content)).toEqual(texts);
    expect(page.messages.map(({ media_url: url }) => url)).toEqual(texts);
    expect(page.messages.map(({ client_message_id: key }) => key)).toEqual(texts);
    expect(new Set(page.messages.map(({ sender_name: name }) => name))).toEqual(
      new Set(['O\'"\\Neill']),
    );
  });

  it('shows what older programs stored in a form of ours', async () => {
    const conversationId = await f.conversation([alice, bob]);
    await f.post(conversationId, bob, 2);
    await f.sql`
      UPDATE messaging.messages SET status = NULL, message_type = NULL, created_at = NULL
      WHERE conversation_id = ${conversationId} AND seq = 1`;
    await f.sql`
      UPDATE messaging.messages SET status = 'seen', message_type = 'sticker',
        created_at = '2024-02-29 23:59:59.999999'
      WHERE conversation_id = ${conversationId} AND seq = 2`;
    const page = await read({ conversationId });
    if (page.outcome !== 'page') throw new Error(page.outcome);
    expect(page.messages).toMatchObject([
      { status: 'sent', message_type: 'text', created_at: '1970-01-01T00:00:00.000Z' },
      { status: 'sent', message_type: 'text', created_at: '2024-02-29T23:59:59.999Z' },
    ]);
  });
});

describe('pages asked for at once', () => {
  it('each get their own, in few queries', async () => {
    const other = await f.conversation([bob]);
    await f.post(other, bob, 2);
    const counting = countQueries(f.database);
    const { readHistory } = openStore(counting.database);
    const ask = (request: Partial<HistoryRequest>) =>
      readHistory({
        conversationId: talk,
        viewerId: alice,
        limit: 3,
        place: { offset: 0 },
        ...request,
      });
    const pages = await Promise.all([
      ask({}),
      ask({ conversationId: other }),
      ask({ conversationId: nobody }),
      ask({ conversationId: other, viewerId: bob, limit: 1 }),
      ask({ conversationId: other, viewerId: null }),
      ask({ viewerId: NIL_UUID }),
      ask({ place: { offset: 8 } }),
      ask({ place: { beforeSeq: 3 } }),
      ask({ place: { afterSeq: 3 } }),
      ask({ place: { afterSeq: 0 }, viewerId: await f.user() }),
    ]);
    expect(
      pages.map((page) =>
        page.outcome === 'page' ? page.messages.map(({ seq }) => seq) : page.outcome,
      ),
    ).toEqual([
      [8, 9, 10],
      'not_a_participant',
      'no_conversation',
      [2],
      [1, 2],
      'not_a_participant',
      [1, 2],
      [1, 2],
      [4, 5, 6],
      'not_a_participant',
    ]);
    expect(counting.queries()).toBeLessThanOrEqual(4);
  });

  it('are spread over queries when they are large', async () => {
    const counting = countQueries(f.database);
    // Two pages of three messages in each query, and the last alone.
    const { readHistory } = openStore(counting.database, { maxPageRows: 6 });
    const pages = await Promise.all(
      Array.from({ length: 9 }, (_, n) =>
        readHistory({ conversationId: talk, viewerId: alice, limit: 3, place: { offset: n } }),
      ),
    );
    expect(pages.map((page) => page.outcome === 'page' && page.messages.at(-1)?.seq)).toEqual([
      10, 9, 8, 7, 6, 5, 4, 3, 2,
    ]);
    expect(counting.queries()).toBe(5);
  });
});

describe('who may read', () => {
  it('a participant, and a service', async () => {
    expect(await seqs({ viewerId: bob })).toEqual([8, 9, 10]);
    expect(await seqs({ viewerId: null })).toEqual([8, 9, 10]);
  });

  it('nobody else', async () => {
    expect(await read({ viewerId: await f.user() })).toEqual({ outcome: 'not_a_participant' });
  });

  it('not a removed participant, whose messages stay and keep their name', async () => {
    const carol = await f.user('Carol');
    const conversationId = await f.conversation([alice, carol]);
    await f.post(conversationId, carol);
    await f.store.removeParticipant({ conversationId, userId: carol });
    expect(await read({ conversationId, viewerId: carol })).toEqual({
      outcome: 'not_a_participant',
    });
    expect(await read({ conversationId })).toMatchObject({
      messages: [{ sender_id: carol, sender_name: 'Carol' }],
    });
  });

  it('a conversation that does not exist has its own outcome', async () => {
    for (const viewerId of [alice, null]) {
      expect(await read({ conversationId: nobody, viewerId })).toEqual({
        outcome: 'no_conversation',
      });
    }
  });
});
