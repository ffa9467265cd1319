import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateOutcome, CreationKey, Store } from '../../src/chat/ports.ts';
import { type CanonicalId, foldId, NIL_UUID, newId } from '../../src/shared/ids.ts';
import { isStorable } from '../../src/shared/storable-text.ts';
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
  key: CreationKey | null = null,
) => store.createConversation({ id: newId(), requestMatchId, participantIds, key });

function keyFor(creatorId: CanonicalId, clientConversationId = 'key'): CreationKey {
  if (!isStorable(clientConversationId)) throw new Error('not storable');
  return { creatorId, clientConversationId };
}

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
      key: null,
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
    const [anna, id] = [await f.user(), newId()];
    const request = { id, requestMatchId: null, participantIds: [anna], key: keyFor(anna) };
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
    const first = await create([anna, ben], match);
    for (const others of [[anna], [anna, carl], [anna, ben, carl]]) {
      expect(await create(others, match)).toEqual({
        outcome: 'conversation_exists',
        conversationId: idOf(first),
      });
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
    expect(await create([ben, carl], old)).toMatchObject({ outcome: 'conversation_exists' });
    const made = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        create([anna, ben], fresh, n % 2 === 0 ? f.store : otherNode),
      ),
    );
    expect(new Set(made.map(idOf)).size).toBe(1);
  });
});

describe('one conversation for a creator and a key', () => {
  it('ends with one when many create it at once on two nodes', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        create([anna, ben], null, n % 2 === 0 ? f.store : otherNode, keyFor(anna)),
      ),
    );
    expect(made.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(made.filter(({ outcome }) => outcome === 'existing')).toHaveLength(19);
    expect(new Set(made.map(idOf)).size).toBe(1);
    expect(await conversationsOf(anna)).toBe(1);
  });

  it('ends with one, and refusals, when different bodies race for it', async () => {
    const [anna, ben, carl] = [await f.user(), await f.user(), await f.user()];
    const made = await Promise.all([
      create([anna, ben], null, f.store, keyFor(anna)),
      create([anna, carl], null, otherNode, keyFor(anna)),
    ]);
    expect(made.map(({ outcome }) => outcome).sort()).toEqual(['created', 'idempotency_conflict']);
    expect(await conversationsOf(anna)).toBe(1);
  });

  it('is another one for another key, another creator and without a key', async () => {
    const people = [await f.user(), await f.user()];
    const [anna, ben] = people as [CanonicalId, CanonicalId];
    const made = [
      await create(people, null, f.store, keyFor(anna, 'a')),
      await create(people, null, f.store, keyFor(anna, 'b')),
      await create(people, null, f.store, keyFor(ben, 'a')),
      await create(people, null, f.store, keyFor(NIL_UUID, `a ${anna}`)),
      await create(people),
    ];
    expect(new Set(made.map(idOf)).size).toBe(5);
  });

  it('stands for what was asked for, whoever came, went or was deleted since', async () => {
    const [anna, ben, carl, match] = [
      await f.user(),
      await f.user(),
      await f.user(),
      await f.match(),
    ];
    const conversationId = foldId(idOf(await create([anna, ben], match, f.store, keyFor(anna))));
    const change = { conversationId, addedBy: null, maxParticipants: 9 };
    await f.store.addParticipant({ ...change, userId: carl });
    await f.sql`DELETE FROM auth.users WHERE id = ${ben}`;
    const again = await create([ben, anna], match, f.store, keyFor(anna));
    expect([again.outcome, idOf(again)]).toEqual(['existing', conversationId]);
    const other = await create([anna, carl], match, f.store, keyFor(anna));
    expect(other.outcome).toBe('idempotency_conflict');
    // Somebody who was removed is told nothing of it.
    await f.store.removeParticipant({ conversationId, userId: anna });
    const removed = await create([ben, anna], match, f.store, keyFor(anna));
    expect(removed).toEqual({ outcome: 'not_a_participant' });
  });

  it('may be given to the conversation that a match has already', async () => {
    const [anna, ben, match] = [await f.user(), await f.user(), await f.match()];
    const first = await create([anna, ben], match, f.store, keyFor(anna));
    const byBen = await create([anna, ben], match, otherNode, keyFor(ben));
    expect([byBen.outcome, idOf(byBen)]).toEqual(['existing', idOf(first)]);
    await f.store.addParticipant({
      conversationId: foldId(idOf(first)),
      userId: await f.user(),
      addedBy: null,
      maxParticipants: 9,
    });
    expect(idOf(await create([anna, ben], match, f.store, keyFor(ben)))).toBe(idOf(first));
  });

  it('is made anew where the conversation of the match is deleted meanwhile', async () => {
    const [anna, ben, match] = [await f.user(), await f.user(), await f.match()];
    await create([anna, ben], match);
    // Deleted at the very moment, once: a sequence is not rolled back.
    await f.sql.unsafe(`
      CREATE SEQUENCE messaging.kept;
      CREATE FUNCTION messaging.delete_at_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('messaging.kept') = 1 THEN
          DELETE FROM messaging.conversations WHERE id = NEW.conversation_id;
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER delete_at_first BEFORE INSERT ON messaging.client_conversations
        FOR EACH ROW EXECUTE FUNCTION messaging.delete_at_first()`);
    const made = await create([anna, ben], match, f.store, keyFor(ben));
    const [kept] = await f.sql`SELECT last_value::int AS attempts FROM messaging.kept`;
    await f.sql.unsafe(`
      DROP TRIGGER delete_at_first ON messaging.client_conversations;
      DROP FUNCTION messaging.delete_at_first(); DROP SEQUENCE messaging.kept`);
    // The deletion was undone with the first attempt.
    expect([made.outcome, kept?.attempts]).toEqual(['existing', 2]);
  });

  it('keeps nothing of a creation that is refused', async () => {
    const [anna, ben] = [await f.user(), await f.user()];
    const refused = await create([anna, nobody], null, f.store, keyFor(anna));
    expect(refused.outcome).toBe('unknown_reference');
    const made = await create([anna, ben], null, f.store, keyFor(anna));
    expect(made.outcome).toBe('created');
    // Who deletes the conversation makes the key free.
    await f.sql`DELETE FROM messaging.conversations WHERE id = ${idOf(made)}`;
    expect((await create([anna], null, f.store, keyFor(anna))).outcome).toBe('created');
  });
});
