import type postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
let sql: postgres.Sql;

beforeEach(async () => {
  db = await createTestDatabase({ migrate: false });
  sql = db.sql;
});

afterEach(() => db.drop());

const run = () => migrate({ databaseUrl: db.url });

async function columnsOf(table: string): Promise<Map<string, string>> {
  const rows = await sql<{ name: string; type: string }[]>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped`;
  return new Map(rows.map(({ name, type }) => [name, type]));
}

async function indexesOf(table: string): Promise<Map<string, string>> {
  const rows = await sql<{ indexname: string; indexdef: string }[]>`
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'messaging' AND tablename = ${table}`;
  return new Map(rows.map(({ indexname, indexdef }) => [indexname, indexdef]));
}

describe('on a database that holds the given tables with rows', () => {
  const alice = '00000000-0000-4000-8000-00000000000a';
  const bob = '00000000-0000-4000-8000-00000000000b';
  const carol = '00000000-0000-4000-8000-00000000000c';
  const pair = '10000000-0000-4000-8000-000000000001';
  const group = '10000000-0000-4000-8000-000000000002';
  const empty = '10000000-0000-4000-8000-000000000003';
  const untimed = '10000000-0000-4000-8000-000000000004';
  const match = '20000000-0000-4000-8000-000000000001';

  /** The tables word for word as given, with a users table richer than ours. */
  async function createGivenTables(): Promise<void> {
    await sql.unsafe(`
      CREATE EXTENSION "uuid-ossp";
      CREATE SCHEMA auth; CREATE SCHEMA requests; CREATE SCHEMA messaging;
      CREATE TABLE auth.users (id UUID PRIMARY KEY, email TEXT NOT NULL, name VARCHAR(100));
      CREATE TABLE requests.matches (id UUID PRIMARY KEY, state TEXT);
      CREATE TABLE messaging.conversations (
        id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
        request_match_id UUID REFERENCES requests.matches(id) ON DELETE CASCADE,
        last_message_at TIMESTAMP,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
      CREATE TABLE messaging.conversation_participants (
        id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
        conversation_id UUID NOT NULL REFERENCES messaging.conversations(id) ON DELETE CASCADE,
        participant_id UUID NOT NULL REFERENCES auth.users(id) ON DELETE CASCADE,
        UNIQUE(conversation_id, participant_id));
      CREATE TABLE messaging.messages (
        id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
        sender_id UUID NOT NULL REFERENCES auth.users(id),
        conversation_id UUID NOT NULL REFERENCES messaging.conversations(id) ON DELETE CASCADE,
        content TEXT NOT NULL,
        status VARCHAR(50) DEFAULT 'sent',
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
      CREATE INDEX idx_messages_conversation_id ON messaging.messages (conversation_id);
      CREATE INDEX idx_messages_created_at ON messaging.messages (created_at DESC);
      CREATE INDEX idx_conversation_participants_user
        ON messaging.conversation_participants (participant_id);
      INSERT INTO auth.users VALUES
        ('${alice}', 'a@x', 'Alice'), ('${bob}', 'b@x', 'Bob'), ('${carol}', 'c@x', 'Carol');
      INSERT INTO requests.matches VALUES ('${match}', 'open');
      INSERT INTO messaging.conversations (id, request_match_id, last_message_at, created_at) VALUES
        ('${pair}', '${match}', '2024-01-01 00:00:05', '2024-01-01'),
        ('${group}', NULL, NULL, '2024-01-01'),
        ('${empty}', NULL, NULL, '2024-02-01'),
        ('${untimed}', NULL, NULL, NULL);
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id) VALUES
        ('${pair}', '${alice}'), ('${pair}', '${bob}'),
        ('${group}', '${alice}'), ('${group}', '${bob}'), ('${group}', '${carol}'),
        ('${empty}', '${alice}'), ('${empty}', '${bob}'),
        ('${untimed}', '${alice}'), ('${untimed}', '${bob}');`);
  }

  let clock = 0;
  async function message(
    conversationId: string,
    senderId: string,
    content: string,
    fields: { status?: string | null; createdAt?: string | null; id?: string } = {},
  ): Promise<void> {
    clock += 1;
    const { status = 'sent', createdAt = `2024-01-01 00:00:${String(clock).padStart(2, '0')}` } =
      fields;
    await sql`
      INSERT INTO messaging.messages (id, conversation_id, sender_id, content, status, created_at)
      VALUES (coalesce(${fields.id ?? null}::uuid, uuid_generate_v4()), ${conversationId},
        ${senderId}, ${content}, ${status}, ${createdAt}::timestamp)`;
  }

  async function seqsOf(conversationId: string): Promise<[number, string][]> {
    const rows = await sql<{ seq: string; content: string }[]>`
      SELECT seq, content FROM messaging.messages WHERE conversation_id = ${conversationId} ORDER BY seq`;
    return rows.map(({ seq, content }) => [Number(seq), content]);
  }

  beforeEach(async () => {
    clock = 0;
    await createGivenTables();
  });

  it('numbers old messages in the order of created_at and id, without a gap', async () => {
    await message(pair, alice, 'third', { createdAt: '2024-01-03' });
    await message(pair, bob, 'first', { createdAt: '2024-01-01' });
    const at = '2024-01-02';
    await message(pair, bob, 'second b', {
      createdAt: at,
      id: 'b0000000-0000-4000-8000-000000000000',
    });
    await message(pair, bob, 'second a', {
      createdAt: at,
      id: 'a0000000-0000-4000-8000-000000000000',
    });
    await message(group, bob, 'elsewhere');
    await run();

    expect(await seqsOf(pair)).toEqual([
      [1, 'first'],
      [2, 'second a'],
      [3, 'second b'],
      [4, 'third'],
    ]);
    expect(await seqsOf(group)).toEqual([[1, 'elsewhere']]);
    const heads = await sql`
      SELECT last_seq::int, last_message_at::text FROM messaging.conversations
      WHERE id IN (${pair}, ${empty}) ORDER BY id`;
    expect(heads).toEqual([
      { last_seq: 4, last_message_at: '2024-01-03 00:00:00' },
      { last_seq: 0, last_message_at: null },
    ]);
  });

  it('gives rows without a time the best known one', async () => {
    await message(untimed, alice, 'when?', { createdAt: null });
    await message(untimed, bob, 'at last', { createdAt: '2024-03-01' });
    await message(group, bob, 'whenever', { createdAt: null });
    await run();

    expect(await seqsOf(untimed)).toHaveLength(2);
    const rows = await sql<{ content: string; at: string; conversation: string }[]>`
      SELECT m.content, m.created_at::text AS at, c.created_at::text AS conversation
      FROM messaging.messages m JOIN messaging.conversations c ON c.id = m.conversation_id`;
    expect(
      Object.fromEntries(rows.map((row) => [row.content, [row.at, row.conversation]])),
    ).toEqual({
      'at last': ['2024-03-01 00:00:00', '2024-03-01 00:00:00'],
      'when?': ['2024-03-01 00:00:00', '2024-03-01 00:00:00'],
      whenever: ['2024-01-01 00:00:00', '2024-01-01 00:00:00'],
    });
  });

  it('takes cursors from statuses, and statuses forward to the cursors', async () => {
    await message(pair, alice, '1', { status: 'read' });
    await message(pair, alice, '2', { status: null });
    await message(pair, alice, '3', { status: 'read' });
    await message(pair, alice, '4', { status: 'delivered' });
    await message(pair, bob, '5', { status: 'sent' });
    await message(pair, alice, '6', { status: 'odd' });
    await run();

    const cursors = await sql`
      SELECT participant_id AS who, last_read_seq::int AS read, last_delivered_seq::int AS received
      FROM messaging.conversation_participants WHERE conversation_id = ${pair} ORDER BY 1`;
    expect(cursors).toEqual([
      { who: alice, read: 0, received: 0 },
      { who: bob, read: 3, received: 4 },
    ]);
    const statuses = await sql`
      SELECT status FROM messaging.messages WHERE conversation_id = ${pair} ORDER BY seq`;
    expect(statuses.map(({ status }) => status)).toEqual([
      'read',
      'read',
      'read',
      'delivered',
      'sent',
      'odd',
    ]);
  });

  it('lists conversations from the future as of now, in their order, and keeps their messages', async () => {
    const hoursAhead = async (hours: number): Promise<string> => {
      const [row] = await sql<{ at: string }[]>`
        SELECT date_trunc('second', now() AT TIME ZONE 'UTC' + ${hours} * interval '1 hour')::text AS at`;
      return row?.at ?? '';
    };
    const [soon, late] = [await hoursAhead(2), await hoursAhead(8)];
    await message(pair, alice, 'before');
    await message(pair, alice, 'in local time', { createdAt: soon });
    await message(group, bob, 'later in local time', { createdAt: late });
    await message(untimed, bob, 'now', { createdAt: await hoursAhead(0) });
    await message(empty, bob, 'for ever');
    await sql`UPDATE messaging.messages SET created_at = 'infinity' WHERE content = 'for ever'`;
    await run();

    expect((await seqsOf(pair)).map(([, content]) => content)).toEqual(['before', 'in local time']);
    const times = await sql`
      SELECT content, created_at::text AS at FROM messaging.messages
      WHERE created_at > now() AT TIME ZONE 'UTC' ORDER BY created_at`;
    expect(times).toEqual([
      { content: 'in local time', at: soon },
      { content: 'later in local time', at: late },
      { content: 'for ever', at: 'infinity' },
    ]);
    const listed = await sql<{ id: string; is_past: boolean; is_listed: boolean }[]>`
      SELECT c.id, last_message_at <= now() AT TIME ZONE 'UTC' AS is_past,
        bool_and(listed_at = messaging.list_time(last_message_at, c.created_at)) AS is_listed
      FROM messaging.conversations c
      JOIN messaging.conversation_participants p ON p.conversation_id = c.id
      GROUP BY c.id ORDER BY last_message_at DESC`;
    expect(listed).toEqual(
      [empty, group, pair, untimed].map((id) => ({ id, is_past: true, is_listed: true })),
    );
  });

  it('loses no row and alters no table of another service', async () => {
    await message(pair, alice, 'kept', { status: 'read' });
    const users = await columnsOf('auth.users');
    const matches = await columnsOf('requests.matches');
    const before = await sql`SELECT id, sender_id, content, created_at FROM messaging.messages`;
    await run();

    expect(await columnsOf('auth.users')).toEqual(users);
    expect(await columnsOf('requests.matches')).toEqual(matches);
    expect(await sql`SELECT id, sender_id, content, created_at FROM messaging.messages`).toEqual(
      before,
    );
    expect(await sql`SELECT count(*)::int AS n FROM messaging.conversation_participants`).toEqual([
      { n: 9 },
    ]);
  });

  it('replaces the given index by one that carries seq', async () => {
    await run();
    expect((await indexesOf('messages')).get('idx_messages_conversation_id')).toBe(
      'CREATE UNIQUE INDEX idx_messages_conversation_id ON messaging.messages USING btree (conversation_id, seq) INCLUDE (sender_id)',
    );
  });

  it('keeps several conversations of one match', async () => {
    await sql`UPDATE messaging.conversations SET request_match_id = ${match} WHERE id = ${empty}`;
    await run();
    const index = (await indexesOf('conversations')).get('idx_conversations_request_match_id');
    expect(index).toMatch(/^CREATE INDEX/);
  });

  it('makes the match unique where the data allows it', async () => {
    await run();
    const index = (await indexesOf('conversations')).get('idx_conversations_request_match_id');
    expect(index).toMatch(/^CREATE UNIQUE INDEX/);
  });
});
