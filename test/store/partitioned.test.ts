// The store on messages in hash partitions (deploy/partitioned.sql): the same promises, no line of it
// changed.

import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STORE_LIMITS } from '../../src/bounds/store.ts';
import type { Store } from '../../src/chat/ports.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createStore } from '../../src/store/store.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { PARTITIONS, partition, partitionOf } from './partitioned-setting.ts';
import {
  draft,
  type Node,
  newRoom,
  openNode,
  type Room,
  rowsOf,
  stored,
  upTo,
} from './writer-setting.ts';

const SETUP_MS = 60_000;

let whole: TestDatabase;
let db: TestDatabase;
/** Stored before the messages were partitioned. */
let old: Room;
let nodes: Node[] = [];
let store: Store;
let otherStore: Store;

beforeAll(async () => {
  [whole, db] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  old = await newRoom(db.sql);
  const before = openNode(db.url);
  for (const n of upTo(3)) await before.writer.append(draft(old, { content: `old ${n}` }));
  await before.writer.drain(5_000);
  await before.database.close(5_000);
  await partition(db.sql);
  // Two nodes, as in production: each with its own writer.
  nodes = [openNode(db.url), openNode(db.url)];
  const [one, two] = nodes.map((node) => createStore({ ...node, limits: STORE_LIMITS }));
  if (one === undefined || two === undefined) throw new Error('There are two nodes');
  [store, otherStore] = [one, two];
}, SETUP_MS);

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.writer.drain(5_000)));
  await Promise.all(nodes.map((node) => node.database.close(5_000)));
  await Promise.all([whole?.drop(), db?.drop()]);
});

const seqsOf = (page: Awaited<ReturnType<Store['readHistory']>>): number[] => {
  if (page.outcome !== 'page') throw new Error(page.outcome);
  return page.messages.map(({ seq }) => seq);
};

describe('the partitioned table', () => {
  it('has the columns, indexes and constraints that the migrations make, but for its primary key', async () => {
    const shapeOf = async (sql: postgres.Sql) => ({
      columns: await sql`
        SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull,
          pg_get_expr(adbin, adrelid) AS preset
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = 'messaging.messages'::regclass AND attnum > 0 AND NOT attisdropped
        ORDER BY attname`,
      indexes: await sql`
        SELECT indexrelid::regclass::text AS name,
          replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS definition
        FROM pg_index WHERE indrelid = 'messaging.messages'::regclass AND NOT indisprimary
        ORDER BY 1`,
      constraints: await sql`
        SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = 'messaging.messages'::regclass AND contype IN ('f', 'u', 'c') ORDER BY conname`,
    });
    const primaryKey = (sql: postgres.Sql) => sql`
      SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
      WHERE conrelid = 'messaging.messages'::regclass AND contype = 'p'`;
    expect(await shapeOf(db.sql)).toEqual(await shapeOf(whole.sql));
    expect(await primaryKey(db.sql)).toEqual([
      { conname: 'messages_pkey', definition: 'PRIMARY KEY (id, conversation_id)' },
    ]);
  });

  it('holds what was there before, and is left alone by a second run and by the migrations', async () => {
    const before = await rowsOf(db.sql, old);
    expect(before.map(({ seq, content }) => [seq, content])).toEqual(
      upTo(3).map((n) => [n, `old ${n}`]),
    );
    await partition(db.sql, 2);
    expect(await migrate({ databaseUrl: db.url })).toEqual({ applied: [] });
    const [row] = await db.sql`
      SELECT count(*)::int AS partitions FROM pg_inherits
      WHERE inhparent = 'messaging.messages'::regclass`;
    expect(row).toEqual({ partitions: PARTITIONS });
    expect(await rowsOf(db.sql, old)).toEqual(before);
  });

  it('is not made over triggers that would be lost', async () => {
    await whole.sql.unsafe(`
      CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER nothing BEFORE INSERT ON messaging.messages
        FOR EACH ROW EXECUTE FUNCTION public.nothing()`);
    await expect(partition(whole.sql)).rejects.toThrow('triggers or privileges of its own');
    await whole.sql`DROP TRIGGER nothing ON messaging.messages`;
  });

  it('refuses messages of nobody and in no conversation, and an id twice in one', async () => {
    const insert = (
      id: CanonicalId,
      conversation: CanonicalId,
      sender: string,
      seq: number,
    ) => db.sql`
      INSERT INTO messaging.messages (id, conversation_id, sender_id, content, seq)
      VALUES (${id}, ${conversation}, ${sender}, 'hello', ${seq})`;
    const room = await newRoom(db.sql);
    const [sender = ''] = room.members;
    const id = newId();
    await insert(id, room.id, sender, 1);
    await expect(insert(id, room.id, sender, 2)).rejects.toMatchObject({ code: '23505' });
    await expect(insert(newId(), room.id, sender, 1)).rejects.toMatchObject({ code: '23505' });
    for (const [conversation, by] of [
      [newId(), sender],
      [room.id, newId()],
    ] as const) {
      const refused = insert(newId(), conversation, by, 2);
      await expect(refused).rejects.toMatchObject({ code: '23503' });
    }
  });

  it('loses a conversation’s messages with it, and keeps a sender of messages', async () => {
    const room = await newRoom(db.sql);
    await store.appendMessage(draft(room));
    const deletion = db.sql`DELETE FROM auth.users WHERE id = ${room.members[0] ?? ''}`;
    await expect(deletion).rejects.toMatchObject({ code: '23503' });
    await db.sql`DELETE FROM messaging.conversations WHERE id = ${room.id}`;
    expect(await rowsOf(db.sql, room)).toEqual([]);
    await db.sql`DELETE FROM auth.users WHERE id = ANY(${room.members})`;
  });
});

describe('sends from two nodes at once', () => {
  it('have gapless seqs in every conversation, over several partitions', async () => {
    const rooms = await Promise.all(upTo(40).map(() => newRoom(db.sql)));
    const sends = upTo(10).flatMap((n) =>
      rooms.flatMap((room) =>
        [store, otherStore].map((by) => by.appendMessage(draft(room, { content: `${n}` }))),
      ),
    );
    const outcomes = await Promise.all(sends);
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['stored']));
    const homes = new Set<string>();
    for (const room of rooms) {
      expect((await rowsOf(db.sql, room)).map(({ seq }) => seq)).toEqual(upTo(20));
      homes.add(await partitionOf(db.sql, room.id));
    }
    // Forty conversations all in one half of the partitions: once in 10^10 runs.
    expect(homes.size).toBeGreaterThan(PARTITIONS / 2);
  });

  it('under one client_message_id are one message', async () => {
    const room = await newRoom(db.sql);
    const sends = upTo(10).flatMap(() =>
      [store, otherStore].map((by) => by.appendMessage(draft(room, { clientMessageId: 'once' }))),
    );
    const outcomes = await Promise.all(sends);
    const ids = outcomes.map((each) => ('message' in each ? each.message.id : each.outcome));
    expect(new Set(ids).size).toBe(1);
    expect(outcomes.filter(({ outcome }) => outcome === 'stored')).toHaveLength(1);
    expect(await rowsOf(db.sql, room)).toHaveLength(1);
    const other = draft(room, { clientMessageId: 'once', content: 'Something else' });
    expect(await store.appendMessage(other)).toEqual({ outcome: 'idempotency_conflict' });
  });

  it('of strangers and into nothing are refused', async () => {
    const room = await newRoom(db.sql);
    const stranger = draft(room, { senderId: old.members[0] });
    expect(await store.appendMessage(stranger)).toEqual({ outcome: 'not_a_participant' });
    const nowhere = draft(room, { conversationId: newId() });
    expect(await store.appendMessage(nowhere)).toEqual({ outcome: 'no_conversation' });
  });
});

describe('what is read', () => {
  let room: Room;
  let alice: CanonicalId;
  let bob: CanonicalId;

  beforeAll(async () => {
    room = await newRoom(db.sql);
    [alice = newId(), bob = newId()] = room.members;
    for (const n of upTo(6)) {
      const senderId = n % 2 === 0 ? bob : alice;
      stored(await store.appendMessage(draft(room, { senderId, content: `message ${n}` })));
    }
  });

  it('is placed by offset and by seq', async () => {
    const page = (place: Parameters<Store['readHistory']>[0]['place']) =>
      store.readHistory({ conversationId: room.id, viewerId: alice, limit: 2, place });
    expect(seqsOf(await page({ offset: 0 }))).toEqual([5, 6]);
    expect(seqsOf(await page({ offset: 4 }))).toEqual([1, 2]);
    expect(seqsOf(await page({ beforeSeq: 4 }))).toEqual([2, 3]);
    expect(seqsOf(await page({ afterSeq: 4 }))).toEqual([5, 6]);
    const range = await store.readRange({
      conversationId: room.id,
      afterSeq: 1,
      upToSeq: 4,
      limit: 10,
    });
    expect(range.messages.map(({ seq }) => seq)).toEqual([2, 3, 4]);
  });

  it('is counted, marked and listed', async () => {
    expect(await store.readStanding(room.id, alice)).toMatchObject({
      lastSeq: 6,
      unread: { count: 3, exact: true },
    });
    const listed = async () => {
      const page = await store.listConversations({ userId: alice, limit: 5, cursor: null });
      return page?.conversations.map((each) => [
        each.id,
        each.unread_count,
        each.last_message?.seq,
      ]);
    };
    expect(await listed()).toEqual([[room.id, 3, 6]]);
    const marked = await store.markRead({ conversationId: room.id, userId: alice, upToSeq: 4 });
    expect(marked).toEqual({ outcome: 'moved', seq: 4, marked: 2 });
    expect(await listed()).toEqual([[room.id, 1, 6]]);
    const statuses = await db.sql`
      SELECT seq::int, status FROM messaging.messages WHERE conversation_id = ${room.id} ORDER BY seq`;
    expect(statuses.map(({ status }) => status)).toEqual(
      upTo(6).map((n) => (n === 2 || n === 4 ? 'read' : 'sent')),
    );
  });

  it('follows people who come and go', async () => {
    const carol = (await newRoom(db.sql, 1)).members[0] ?? newId();
    const change = { conversationId: room.id, userId: carol };
    const added = await store.addParticipant({ ...change, addedBy: alice, maxParticipants: 5 });
    expect(added.outcome).toBe('changed');
    expect(await store.readStanding(room.id, carol)).toMatchObject({
      unread: { count: 0, exact: true },
    });
    expect((await store.removeParticipant(change)).outcome).toBe('changed');
    expect(await store.appendMessage(draft(room, { senderId: carol }))).toEqual({
      outcome: 'not_a_participant',
    });
  });
});
