// Pages of long messages come in pieces, and are the pages they would have been in one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryRequest } from '../../src/chat/ports.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import type { Database, Sql } from '../../src/store/database.ts';
import { createStoreFixture, openStore, type StoreFixture } from './fixture.ts';

const LENGTH = 100;
const MESSAGES = 40;

let f: StoreFixture;
let alice: CanonicalId;
let long: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  long = await f.conversation([alice, await f.user('Bob')]);
  await f.post(long, alice, MESSAGES);
  await f.sql`
    UPDATE messaging.messages SET content = repeat('x', ${LENGTH}) WHERE conversation_id = ${long}`;
  // Gone, as after a clean-up job: a piece goes on around them.
  await f.sql`
    DELETE FROM messaging.messages WHERE conversation_id = ${long} AND seq IN (1, 17, 18, 40)`;
});
afterAll(() => f.close());

/** A store whose queries are counted, with `onQuery` before each. */
function counting(limits: object, onQuery: (query: number) => Promise<unknown> | undefined) {
  let queries = 0;
  const database: Database = {
    ...f.database,
    query: async <T>(work: (sql: Sql) => Promise<T>) => {
      queries += 1;
      await onQuery(queries);
      return f.database.query(work);
    },
  };
  return { store: openStore(database, limits), queries: () => queries };
}

const none = () => undefined;

async function seqsOf(store: StoreFixture['store'], request: Omit<HistoryRequest, 'viewerId'>) {
  const page = await store.readHistory({ ...request, viewerId: alice });
  if (page.outcome !== 'page') throw new Error(page.outcome);
  return { seqs: page.messages.map(({ seq }) => seq), total: page.total };
}

const places: HistoryRequest['place'][] = [
  { offset: 0 },
  { offset: 7 },
  { beforeSeq: 30 },
  { afterSeq: 3 },
  { afterSeq: 3, beforeSeq: 25 },
];

describe('a page of long messages', () => {
  it.each(places)('in pieces is the same as in one: %o', async (place) => {
    const { store } = counting(
      { maxPieceCharacters: 3 * LENGTH, maxContentLength: 1_000_000 },
      none,
    );
    for (const limit of [1, 2, 3, 10, 39, 200]) {
      const request = { conversationId: long, limit, place };
      // Before its lengths are known, and after.
      for (let n = 0; n < 2; n += 1) {
        expect(await seqsOf(store, request)).toEqual(await seqsOf(f.store, request));
      }
    }
  });

  it('asks for as many at a time as have the length of a piece, once that is known', async () => {
    const { store, queries } = counting({ maxPieceCharacters: 10 * LENGTH }, none);
    const request = { conversationId: long, limit: 30, place: { offset: 0 } };
    await seqsOf(store, request);
    expect(queries()).toBe(1);
    await seqsOf(store, request);
    expect(queries()).toBe(4);
  });

  it('feels its way where messages may be enormous', async () => {
    const { store, queries } = counting({ maxContentLength: 1_000_000 }, none);
    const { seqs } = await seqsOf(store, {
      conversationId: long,
      limit: 21,
      place: { beforeSeq: 40 },
    });
    // 1, 4, 16.
    expect([seqs.length, queries()]).toEqual([21, 3]);
  });

  it('ends early when it has the characters of a page, however few messages', async () => {
    const { store } = counting(
      {
        maxPieceCharacters: 2 * LENGTH,
        maxPageCharacters: 5 * LENGTH,
        maxContentLength: 1_000_000,
      },
      none,
    );
    const ask = (place: HistoryRequest['place']) =>
      seqsOf(store, { conversationId: long, limit: 200, place });
    expect((await ask({ offset: 0 })).seqs).toEqual([35, 36, 37, 38, 39]);
    // Upwards it ends above: the next page goes on from there.
    const { seqs } = await ask({ afterSeq: 20 });
    expect(seqs[0]).toBe(21);
    expect(seqs.length).toBeLessThanOrEqual(6);
  });

  it('shows nothing to someone who was removed between two pieces', async () => {
    const carol = await f.user('Carol');
    await f.store.addParticipant({
      conversationId: long,
      userId: carol,
      addedBy: null,
      maxParticipants: 256,
    });
    const { store } = counting({ maxContentLength: 1_000_000 }, (query) =>
      query === 2 ? f.store.removeParticipant({ conversationId: long, userId: carol }) : undefined,
    );
    const request = { conversationId: long, viewerId: carol, limit: 30, place: { offset: 0 } };
    expect(await store.readHistory(request)).toEqual({ outcome: 'not_a_participant' });
  });
});
