import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MembershipOutcome, Store } from '../../src/chat/ports.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
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
let alice: CanonicalId;
let bob: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  otherDatabase = openDatabase(f.url);
  otherNode = openStore(otherDatabase);
  alice = await f.user('Alice');
  bob = await f.user('Bob');
});
afterAll(async () => {
  await otherDatabase.close(1_000);
  await f.close();
});

const add = (
  conversationId: CanonicalId,
  userId: CanonicalId,
  {
    addedBy = null,
    max = 256,
    store = f.store,
  }: { addedBy?: CanonicalId | null; max?: number; store?: Store } = {},
) => store.addParticipant({ conversationId, userId, addedBy, maxParticipants: max });
const remove = (conversationId: CanonicalId, userId: CanonicalId, store = f.store) =>
  store.removeParticipant({ conversationId, userId });

async function version(conversationId: CanonicalId): Promise<number> {
  const [head] = await f.store.readHeads([conversationId]);
  return head?.membersVersion ?? Number.NaN;
}

async function members(conversationId: CanonicalId): Promise<string[]> {
  const rows = await f.sql<{ id: CanonicalId }[]>`
    SELECT participant_id AS id FROM messaging.conversation_participants
    WHERE conversation_id = ${conversationId}`;
  return rows.map(({ id }) => id).sort();
}

describe('adding', () => {
  it('makes a participant and raises the version once', async () => {
    const id = await f.conversation([alice]);
    const before = await version(id);
    expect(await add(id, bob)).toEqual({ outcome: 'changed', membersVersion: before + 1 });
    expect(await version(id)).toBe(before + 1);
    expect(await members(id)).toEqual([alice, bob].sort());
  });

  it('someone who is there already changes nothing', async () => {
    const id = await f.conversation([alice, bob]);
    const before = await version(id);
    expect(await add(id, bob, { max: 1 })).toEqual({
      outcome: 'unchanged',
      membersVersion: before,
    });
    expect(await version(id)).toBe(before);
  });

  it('starts the cursors at the last message: readable, not unread', async () => {
    const id = await f.conversation([alice]);
    await f.post(id, alice, 5);
    await add(id, bob);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 5,
      lastDeliveredSeq: 5,
      unread: { count: 0, exact: true },
    });
    const page = await f.store.readHistory({
      conversationId: id,
      viewerId: bob,
      limit: 10,
      place: { offset: 0 },
    });
    expect(page).toMatchObject({ outcome: 'page', total: 5 });
  });

  it('is for participants and services', async () => {
    const id = await f.conversation([alice]);
    const carol = await f.user();
    expect(await add(id, carol, { addedBy: bob })).toEqual({ outcome: 'not_a_participant' });
    expect(await add(id, bob, { addedBy: bob })).toEqual({ outcome: 'not_a_participant' });
    expect(await members(id)).toEqual([alice]);
    expect(await add(id, carol, { addedBy: alice })).toMatchObject({ outcome: 'changed' });
  });

  it('refuses what does not exist', async () => {
    const id = await f.conversation([alice]);
    const before = await version(id);
    expect(await add(id, nobody)).toEqual({ outcome: 'unknown_reference' });
    expect(await add(nobody, alice)).toEqual({ outcome: 'no_conversation' });
    expect(await add(nobody, alice, { addedBy: alice })).toEqual({ outcome: 'no_conversation' });
    expect(await version(id)).toBe(before);
  });

  it('never exceeds the limit, however many are added at once on two nodes', async () => {
    const id = await f.conversation([alice]);
    const users = await Promise.all(Array.from({ length: 8 }, () => f.user()));
    const outcomes = await Promise.all(
      users.map((user, n) => add(id, user, { max: 4, store: n % 2 === 0 ? f.store : otherNode })),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'changed')).toHaveLength(3);
    expect(outcomes.filter(({ outcome }) => outcome === 'too_many')).toHaveLength(5);
    expect(await members(id)).toHaveLength(4);
  });

  it('the same person at once on two nodes changes once', async () => {
    const id = await f.conversation([alice]);
    const before = await version(id);
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        add(id, bob, { store: n % 2 === 0 ? f.store : otherNode }),
      ),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'changed')).toHaveLength(1);
    expect(await version(id)).toBe(before + 1);
  });

  it('refuses a user who is deleted meanwhile', async () => {
    const id = await f.conversation([alice]);
    const leaving = await f.user();
    let adding: Promise<MembershipOutcome> | undefined;
    await f.sql.begin(async (transaction) => {
      await transaction`DELETE FROM auth.users WHERE id = ${leaving}`;
      adding = add(id, leaving);
      await waitFor(() => f.database.stats().lockWaiting > 0, {
        what: 'the insert to wait for the deletion',
      });
    });
    expect(await adding).toEqual({ outcome: 'unknown_reference' });
    expect(await members(id)).toEqual([alice]);
  });
});

describe('removing', () => {
  it('takes the participant out and raises the version once', async () => {
    const id = await f.conversation([alice, bob]);
    const before = await version(id);
    expect(await remove(id, bob)).toEqual({ outcome: 'changed', membersVersion: before + 1 });
    expect(await version(id)).toBe(before + 1);
    expect(await f.store.readParticipant(id, bob)).toBeNull();
  });

  it('someone who is not there changes nothing', async () => {
    const id = await f.conversation([alice]);
    const before = await version(id);
    expect(await remove(id, bob)).toEqual({ outcome: 'unchanged', membersVersion: before });
    expect(await remove(nobody, bob)).toEqual({ outcome: 'no_conversation' });
  });

  it('at once on two nodes happens once', async () => {
    const id = await f.conversation([alice, bob]);
    const outcomes = await Promise.all([remove(id, bob), remove(id, bob, otherNode)]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['changed', 'unchanged']);
  });

  it('and coming back starts afresh', async () => {
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, 3);
    await remove(id, bob);
    await f.post(id, alice);
    await add(id, bob);
    await f.post(id, alice);
    expect(await f.store.readStanding(id, bob)).toMatchObject({
      lastReadSeq: 4,
      unread: { count: 1, exact: true },
    });
  });

  it('waits for whoever holds the conversation, such as a send', async () => {
    const id = await f.conversation([alice, bob]);
    let removal: Promise<MembershipOutcome> | undefined;
    await f.sql.begin(async (transaction) => {
      await transaction`
        SELECT FROM messaging.conversations WHERE id = ${id} FOR NO KEY UPDATE`;
      removal = remove(id, bob);
      await waitFor(() => f.database.stats().lockWaiting > 0, { what: 'the removal to wait' });
      expect(await f.store.readParticipant(id, bob)).not.toBeNull();
    });
    expect(await removal).toMatchObject({ outcome: 'changed' });
  });

  it('by the owner of the users raises the version as well', async () => {
    const leaving = await f.user();
    const id = await f.conversation([alice, leaving]);
    const before = await version(id);
    await f.sql`DELETE FROM auth.users WHERE id = ${leaving}`;
    expect(await version(id)).toBe(before + 1);
  });
});

it('a change whose reply was lost is told under a version that no other change has', async () => {
  const [dave, erin] = [await f.user('Dave'), await f.user('Erin')];
  const id = await f.conversation([alice, dave, erin]);
  const others: MembershipOutcome[] = [];
  const losesReply: Database = {
    ...otherDatabase,
    async transaction(work) {
      await otherDatabase.transaction(work);
      others.push(await remove(id, erin));
      return otherDatabase.transaction((sql, attempt) =>
        work(sql, { ...attempt, mayBeDone: true }),
      );
    },
  };
  const repeated = await remove(id, dave, openStore(losesReply));
  const versions = [...others, repeated].map((each) => {
    return each.outcome === 'changed' ? each.membersVersion : each.outcome;
  });
  const now = await version(id);
  expect(versions).toEqual([now - 1, now]);
});
