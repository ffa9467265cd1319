import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateOutcome, Store } from '../../src/chat/ports.ts';
import { type CanonicalId, foldId, newId } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
import { demoConversationId, demoUsers, insertDemoData } from '../../src/store/demo-data.ts';
import { waitFor } from '../support/wait.ts';
import {
  createStoreFixture,
  nobody,
  openDatabase,
  openStore,
  type StoreFixture,
} from './fixture.ts';

let f: StoreFixture;
let otherDatabase: Database;
let otherNode: Store;

beforeAll(async () => {
  f = await createStoreFixture();
  otherDatabase = openDatabase(f.url);
  otherNode = openStore(otherDatabase);
});
afterAll(async () => {
  await otherDatabase.close(1_000);
  await f.close();
});

const create = (
  participantIds: CanonicalId[],
  requestMatchId: CanonicalId | null = null,
  store = f.store,
) => store.createConversation({ id: newId(), requestMatchId, participantIds });

const idOf = (made: CreateOutcome): string =>
  'conversation' in made ? made.conversation.id : made.outcome;

async function conversationsOf(userId: CanonicalId): Promise<number> {
  const rows = await f.sql`
    SELECT FROM messaging.conversation_participants WHERE participant_id = ${userId}`;
  return rows.length;
}

describe('demo data', () => {
  it('is there when there are no users, once, and not when there are some', async () => {
    expect(
      await Promise.all([insertDemoData(f.database), insertDemoData(otherDatabase)]),
    ).toContain(true);
    expect(await insertDemoData(f.database)).toBe(false);
    const page = await f.store.readHistory({
      conversationId: foldId(demoConversationId),
      viewerId: foldId(demoUsers[2].id),
      limit: 1,
      place: { offset: 0 },
    });
    expect(page).toEqual({ outcome: 'page', messages: [], total: 0 });
    expect(await f.sql`SELECT name FROM auth.users ORDER BY id`).toEqual([
      { name: 'Alice' },
      { name: 'Bob' },
      { name: 'Carol' },
    ]);
  });
});

describe('a new conversation', () => {
  it('has its participants with names, no messages and a UTC time', async () => {
    const [anna, ben] = [await f.user('Anna'), await f.user('Ben')];
    const id = newId();
    const before = Date.now();
    const made = await f.store.createConversation({
      id,
      requestMatchId: null,
      participantIds: [ben, anna],
    });
    expect(made).toMatchObject({
      outcome: 'created',
      conversation: { id, request_match_id: null, last_message_at: null, last_seq: 0 },
    });
    if (made.outcome !== 'created') return;
    const people = [
      { id: anna, name: 'Anna' },
      { id: ben, name: 'Ben' },
    ];
    expect(made.conversation.participants).toEqual(people.sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect(made.conversation.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    // Hours, as a mistaken time zone would show; not the clocks' small differences.
    expect(Math.abs(Date.parse(made.conversation.created_at) - before)).toBeLessThan(600_000);
  });

  it('is made once when the same request is run again', async () => {
    const request = { id: newId(), requestMatchId: null, participantIds: [await f.user()] };
    const first = await f.store.createConversation(request);
    expect(await f.store.createConversation(request)).toEqual(first);
  });

  it('refuses users and matches that do not exist, and makes nothing', async () => {
    const anna = await f.user();
    expect(await create([anna, nobody])).toEqual({
      outcome: 'unknown_reference',
      field: 'participant_ids',
    });
    expect(await create([anna], nobody)).toEqual({
      outcome: 'unknown_reference',
      field: 'request_match_id',
    });
    expect(await conversationsOf(anna)).toBe(0);
  });

  it('refuses a user who is deleted meanwhile', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    // Deleted, but not yet committed: the check sees the user, the foreign key waits and refuses.
    let making: Promise<CreateOutcome> | undefined;
    await f.sql.begin(async (transaction) => {
      await transaction`DELETE FROM auth.users WHERE id = ${ben}`;
      making = create([anna, ben]);
      await waitFor(() => f.database.stats().lockWaiting > 0, { what: 'it to meet the lock' });
    });
    expect(await making).toEqual({ outcome: 'unknown_reference', field: 'participant_ids' });
    expect(await conversationsOf(anna)).toBe(0);
  });
});

describe('one conversation for a match', () => {
  it('gives the existing one to the same participants in any order', async () => {
    const [anna, ben, match] = [await f.user(), await f.user(), await f.match()];
    const first = await create([anna, ben], match);
    const second = await create([ben, anna], match);
    expect(first.outcome).toBe('created');
    expect(second.outcome).toBe('existing');
    expect(idOf(second)).toBe(idOf(first));
  });

  it('refuses other participants', async () => {
    const [anna, ben, carl, match] = [
      await f.user(),
      await f.user(),
      await f.user(),
      await f.match(),
    ];
    await create([anna, ben], match);
    for (const others of [[anna], [anna, carl], [anna, ben, carl]]) {
      expect(await create(others, match)).toEqual({ outcome: 'conversation_exists' });
    }
  });

  it('ends with one when many create it at once on two nodes', async () => {
    const [anna, ben, match] = [await f.user(), await f.user(), await f.match()];
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        create([anna, ben], match, n % 2 === 0 ? f.store : otherNode),
      ),
    );
    expect(made.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(made.filter(({ outcome }) => outcome === 'existing')).toHaveLength(19);
    expect(new Set(made.map(idOf)).size).toBe(1);
    expect(await conversationsOf(anna)).toBe(1);
  });

  it('ends with one, and refusals, when two groups race for it', async () => {
    const [anna, ben, carl, match] = [
      await f.user(),
      await f.user(),
      await f.user(),
      await f.match(),
    ];
    const made = await Promise.all([
      create([anna, ben], match),
      create([anna, carl], match, otherNode),
    ]);
    expect(made.map(({ outcome }) => outcome).sort()).toEqual(['conversation_exists', 'created']);
  });

  it('holds where older data has several for a match and no index can be unique', async () => {
    await f.sql`DROP INDEX messaging.idx_conversations_request_match_id`;
    await f.sql`CREATE INDEX idx_conversations_request_match_id
      ON messaging.conversations (request_match_id) WHERE request_match_id IS NOT NULL`;
    const [anna, ben, carl] = [await f.user(), await f.user(), await f.user()];
    const [old, fresh] = [await f.match(), await f.match()];
    const [withBen, withCarl] = [
      await f.conversation([anna, ben]),
      await f.conversation([anna, carl]),
    ];
    await f.sql`UPDATE messaging.conversations SET request_match_id = ${old}
      WHERE id IN (${withBen}, ${withCarl})`;

    expect(idOf(await create([carl, anna], old))).toBe(withCarl);
    expect(await create([ben, carl], old)).toEqual({ outcome: 'conversation_exists' });
    const made = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        create([anna, ben], fresh, n % 2 === 0 ? f.store : otherNode),
      ),
    );
    expect(new Set(made.map(idOf)).size).toBe(1);
  });
});
