// Locks that somebody else holds while the pool is used: marks, memberships, new conversations, reads.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/chat/ports.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
import { waitFor } from '../support/wait.ts';
import { createStoreFixture, openStore, type StoreFixture } from './fixture.ts';
import { lockRows, type Stranger, stranger } from './stranger.ts';
import { openDatabase, upTo } from './writer-setting.ts';

const POOL = 4;
const DEADLINE_MS = 1_500;
/** Far more than a statement takes, far less than a lock is held here. */
const AT_ONCE_MS = 700;

let f: StoreFixture;
let database: Database;
let store: Store;
let holder: Stranger | undefined;
let alice: CanonicalId;
let bob: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
});
beforeEach(() => {
  database = openDatabase(f.url, { poolMax: POOL, queryDeadlineMs: DEADLINE_MS });
  store = openStore(database);
});
afterEach(async () => {
  await letGo('ROLLBACK');
  await database.close(1_000);
});
afterAll(() => f.close());

async function letGo(how: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): Promise<void> {
  await holder?.letGo(how);
  holder = undefined;
}

async function talk(messages = 3): Promise<CanonicalId> {
  const id = await f.conversation([alice, bob]);
  await f.post(id, alice, messages);
  return id;
}

const mark = (conversationId: CanonicalId, userId = bob) =>
  store.markRead({ conversationId, userId, upToSeq: null });

async function atOnce<T>(work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const value = await work;
  expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
  return value;
}

/** Everything else that goes over the pool. */
async function expectOthersAtOnce(): Promise<void> {
  const other = await talk();
  expect(await atOnce(mark(other))).toMatchObject({ outcome: 'moved', seq: 3 });
  expect(await atOnce(store.readStanding(other, bob))).toMatchObject({ lastSeq: 3 });
  await atOnce(store.listConversations({ userId: bob, limit: 5, cursor: null }));
  await atOnce(store.removeParticipant({ conversationId: other, userId: bob }));
}

const unavailable = { status: 'rejected', reason: { code: 'unavailable' } };

describe('a locked conversation', () => {
  test('gets unavailable at the deadline, holds no connection meanwhile, and works at once afterwards', async () => {
    const stuck = await Promise.all(upTo(2).map(() => talk()));
    const carol = await f.user('Carol');
    holder = await lockRows(f.url, stuck);
    const startedAt = performance.now();
    const results = Promise.allSettled(
      stuck.flatMap((conversationId) => [
        ...upTo(30).map(() => mark(conversationId)),
        ...upTo(30).map((upToSeq) => store.markDelivered({ conversationId, userId: bob, upToSeq })),
        store.addParticipant({ conversationId, userId: carol, addedBy: null, maxParticipants: 9 }),
        store.removeParticipant({ conversationId, userId: alice }),
      ]),
    );
    await waitFor(() => database.stats().lockWaiting > 100, { what: 'all of them to wait' });
    await expectOthersAtOnce();
    for (const result of await results) expect(result).toMatchObject(unavailable);
    expect(performance.now() - startedAt).toBeGreaterThan(DEADLINE_MS - 200);
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + 500);
    expect(database.stats()).toMatchObject({ busy: 0, waiting: 0, lockWaiting: 0, lost: 0 });
    await letGo();
    for (const id of stuck) expect(await atOnce(mark(id))).toMatchObject({ outcome: 'moved' });
  });

  test('serves those who waited, in their turn, when it is let go', async () => {
    const id = await talk();
    holder = await lockRows(f.url, [id]);
    const marks = [1, 2, 3].map((upToSeq) =>
      store.markRead({ conversationId: id, userId: bob, upToSeq }),
    );
    await waitFor(() => database.stats().lockWaiting >= 2, { what: 'the marks to wait' });
    await letGo();
    for (const outcome of await Promise.all(marks)) expect(outcome).toHaveProperty('seq');
    expect(await store.readStanding(id, bob)).toMatchObject({ lastReadSeq: 3 });
  });

  test('is told from one that is not there, and its strangers do not wait', async () => {
    const id = await talk();
    const carol = await f.user('Carol');
    holder = await lockRows(f.url, [id]);
    expect(await atOnce(mark(id, carol))).toEqual({ outcome: 'not_a_participant' });
    expect(await atOnce(mark(newId()))).toEqual({ outcome: 'no_conversation' });
    const membership = { conversationId: id, userId: carol };
    expect(
      await atOnce(store.addParticipant({ ...membership, addedBy: carol, maxParticipants: 9 })),
    ).toEqual({ outcome: 'not_a_participant' });
    expect(await atOnce(store.removeParticipant(membership))).toMatchObject({
      outcome: 'unchanged',
    });
  });

  test('a mark that came after others’ attempts failed is no repeat of them', async () => {
    const id = await talk();
    expect(await mark(id)).toMatchObject({ outcome: 'moved' });
    holder = await lockRows(f.url, [id]);
    const again = mark(id);
    await waitFor(() => database.stats().lockWaiting > 0, { what: 'it to meet the lock' });
    await letGo();
    expect(await again).toMatchObject({ outcome: 'unchanged', seq: 3 });
  });
});

describe('another row that is locked', () => {
  test('a participant’s: others of the same conversation go on', async () => {
    const id = await talk();
    holder = await stranger(
      f.url,
      (sql) => sql`
        SELECT FROM messaging.conversation_participants
        WHERE conversation_id = ${id} AND participant_id = ${bob} FOR UPDATE`,
    );
    const stuck = mark(id);
    await waitFor(() => database.stats().lockWaiting > 0, { what: 'it to meet the lock' });
    await f.post(id, bob);
    expect(await atOnce(mark(id, alice))).toMatchObject({ outcome: 'moved', seq: 4 });
    await expectOthersAtOnce();
    await letGo();
    expect(await stuck).toMatchObject({ outcome: 'moved' });
  });

  test('a user’s: adding and creating wait, nobody else', async () => {
    const carol = await f.user('Carol');
    const rooms = await Promise.all(upTo(20).map(() => talk()));
    holder = await stranger(
      f.url,
      (sql) => sql`SELECT FROM auth.users WHERE id = ${carol} FOR UPDATE`,
    );
    const changes = Promise.all([
      ...rooms.map((conversationId) =>
        store.addParticipant({ conversationId, userId: carol, addedBy: null, maxParticipants: 9 }),
      ),
      store.createConversation({
        id: newId(),
        requestMatchId: null,
        participantIds: [alice, carol],
        key: null,
      }),
    ]);
    await waitFor(() => database.stats().lockWaiting > 15, { what: 'all of them to wait' });
    await expectOthersAtOnce();
    await letGo();
    for (const { outcome } of await changes) expect(outcome).toMatch(/^(changed|created)$/);
  });

  test('a match, for which somebody else makes a conversation', async () => {
    const requestMatchId = await f.match();
    const request = { requestMatchId, participantIds: [alice, bob], key: null };
    const id = newId();
    // A program that does not take the lock on the match.
    holder = await stranger(f.url, async (sql) => {
      await sql`
        INSERT INTO messaging.conversations (id, request_match_id) VALUES (${id}, ${requestMatchId})`;
      await sql`
        INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
        VALUES (${id}, ${alice}), (${id}, ${bob})`;
    });
    const making = store.createConversation({ ...request, id: newId() });
    await waitFor(() => database.stats().lockWaiting > 0, { what: 'it to meet the lock' });
    await expectOthersAtOnce();
    await letGo();
    expect(await making).toMatchObject({ outcome: 'existing', conversation: { id } });
  });
});

test('a locked table: what reads it waits without a connection, what does not goes on', async () => {
  const id = await talk();
  await store.readParticipant(id, bob);
  holder = await stranger(
    f.url,
    (sql) => sql`LOCK TABLE messaging.messages IN ACCESS EXCLUSIVE MODE`,
  );
  const pages = upTo(20).map(() =>
    store.listConversations({ userId: bob, limit: 5, cursor: null }),
  );
  await waitFor(() => database.stats().lockWaiting > 10, { what: 'them to wait' });
  expect(await atOnce(store.readParticipant(id, bob))).toEqual({ name: 'Bob' });
  expect(await atOnce(store.readHeads([id]))).toHaveLength(1);
  await letGo();
  for (const page of await Promise.all(pages)) expect(page?.conversations.length).toBe(5);
});
