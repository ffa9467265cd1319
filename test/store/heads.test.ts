/** What a node remembers of conversations, held against a PostgreSQL that may have gone back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { createEpochs } from '../../src/store/epoch.ts';
import { createStoreFixture, nobody, openDatabase, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
});
afterAll(() => f.close());

/** A conversation of `count` messages, and the ids of those by seq. */
async function talk(count: number) {
  const id = await f.conversation([alice]);
  await f.post(id, alice, count);
  const { messages } = await f.store.readRange({
    conversationId: id,
    afterSeq: 0,
    upToSeq: count,
    limit: count,
  });
  return { id, idOf: (seq: number) => messages[seq - 1]?.id ?? null };
}

/** As after a fail-over that lost what came after `seq`, on which `count` others followed. */
async function goBack(id: CanonicalId, seq: number, count: number): Promise<void> {
  await f.sql`DELETE FROM messaging.messages WHERE conversation_id = ${id} AND seq > ${seq}`;
  await f.sql`UPDATE messaging.conversations SET last_seq = ${seq} WHERE id = ${id}`;
  if (count > 0) await f.post(id, alice, count);
}

const believed = (id: CanonicalId, seq: number, messageId: CanonicalId | null) =>
  f.store.readHead({ conversationId: id, seq, messageId });

describe('what a node believes of a conversation', () => {
  it('holds while it goes on', async () => {
    const { id, idOf } = await talk(5);
    for (const seq of [3, 5]) {
      expect(await believed(id, seq, idOf(seq))).toMatchObject({
        lastSeq: 5,
        lastMessageId: idOf(5),
        goesOn: true,
      });
    }
  });

  it.each([
    ['shorter than before', 3, 1],
    ['as long as before', 3, 2],
    ['longer than before', 3, 4],
    ['empty', 0, 0],
  ])('does not when PostgreSQL went back and is %s', async (_what, back, then) => {
    const { id, idOf } = await talk(5);
    await goBack(id, back, then);
    expect(await believed(id, 5, idOf(5))).toMatchObject({ lastSeq: back + then, goesOn: false });
    // What was heard before the loss still stands.
    if (back > 0) expect(await believed(id, back, idOf(back))).toMatchObject({ goesOn: true });
  });

  it('is not shaken by a row that somebody deleted', async () => {
    const { id, idOf } = await talk(5);
    await f.sql`DELETE FROM messaging.messages WHERE conversation_id = ${id} AND seq = 5`;
    expect(await believed(id, 5, idOf(5))).toMatchObject({ lastMessageId: null, goesOn: true });
  });

  it('says nothing of a conversation that does not exist', async () => {
    expect(await believed(nobody, 5, newId())).toBeNull();
  });
});

it('a conversation further back, or with an older member list, has moved', async () => {
  const { id } = await talk(2);
  const [head] = await f.store.readHeads([id]);
  if (head === undefined) throw new Error('the conversation is there');
  for (const ahead of [
    { ...head, lastSeq: 3 },
    { ...head, membersVersion: head.membersVersion + 1 },
  ]) {
    expect(await f.store.readMoved([ahead])).toEqual({ moved: [head], gone: [] });
  }
});

it('a lost future is told with the standing, its widest reach, until it is old', async () => {
  const { id } = await talk(5);
  const lost = async () => (await f.store.readStanding(id, alice))?.lostFuture;
  expect(await lost()).toBeNull();
  await f.store.noteLostFuture({ conversationId: id, afterSeq: 5, upToSeq: 8 });
  await f.store.noteLostFuture({ conversationId: id, afterSeq: 6, upToSeq: 9 });
  await f.store.noteLostFuture({ conversationId: nobody, afterSeq: 0, upToSeq: 1 });
  expect(await lost()).toEqual({ afterSeq: 5, upToSeq: 9 });
  await f.sql`UPDATE messaging.lost_futures SET noticed_at = noticed_at - interval '8 days'`;
  expect(await lost()).toBeNull();
});

describe('the epoch', () => {
  const read = async () => {
    const [row] = await f.sql<{ epoch: string }[]>`SELECT messaging.epoch() AS epoch`;
    return row?.epoch;
  };

  it('stays while the database is the same, and changes when its rows are replaced', async () => {
    const before = await read();
    await talk(3);
    expect(await read()).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    await f.sql`ALTER TABLE messaging.conversations SET (fillfactor = 71)`;
    await f.sql`VACUUM FULL messaging.conversations`;
    expect(await read()).not.toBe(before);
  });

  it('is heard on every new connection, and one to another database is dropped', async () => {
    const epochs = createEpochs();
    const changes: string[] = [];
    epochs.onChange((epoch) => changes.push(epoch));
    const database = openDatabase(f.url, 1, epochs);
    const answered = database.query((sql) => sql`SELECT 1`);
    await answered;
    const first = epochs.current();
    expect({ first, changes }).toEqual({ first: await read(), changes: [] });
    // Another one is heard of while a question is under way: its answer no longer counts.
    const slow = database.query((sql) => sql`SELECT pg_sleep(5)`);
    const refused = expect(slow).rejects.toMatchObject({ code: 'unavailable', reason: 'lost' });
    await f.sql`SELECT 1`;
    epochs.heard('another');
    await refused;
    // The next connection hears the truth.
    await database.query((sql) => sql`SELECT 1`);
    expect(changes).toEqual(['another', first]);
    await database.close(0);
  });

  it('a server that takes no writes is not served from', async () => {
    const name = new URL(f.url).pathname.slice(1);
    await f.sql.unsafe(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
    const database = openDatabase(f.url, 1, createEpochs());
    const refused = { code: 'unavailable', reason: 'read_only' };
    await expect(database.query((sql) => sql`SELECT 1`)).rejects.toMatchObject(refused);
    await f.sql.unsafe(`ALTER DATABASE "${name}" RESET default_transaction_read_only`);
    // Not remembered: the next connection is asked again.
    await expect(database.query((sql) => sql`SELECT 1`)).resolves.toHaveLength(1);
    await database.close(0);
  });
});
