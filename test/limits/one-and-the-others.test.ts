// One person who asks for the dearest there is, over many sockets and calls, beside somebody who chats.
// 30 000 messages are enough to make every unbounded look dear; the figures with a million are made by
// hand (CONTRACT 6.10), not here.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/shared/ids.ts';
import { type Answer, ask, connected, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const UNREAD = 30_000;
const LARGE = 40;
const PEOPLE = 256;
const SEED_TIMEOUT_MS = 120_000;

const [greedy, other, anna, ben] = [newId(), newId(), newId(), newId()];
const [huge, pair] = [newId(), newId()];
let database: TestDatabase;
let app: TestApp;

beforeAll(async () => {
  database = await createTestDatabase();
  const { sql } = database;
  await sql`
    INSERT INTO auth.users (id, name)
    SELECT id, 'somebody' FROM unnest(${[greedy, other, anna, ben]}::uuid[]) AS id`;
  await sql`
    INSERT INTO auth.users (id, name)
    SELECT md5('u' || n)::uuid, 'user ' || n FROM generate_series(2, ${PEOPLE}::int) n`;
  await sql`
    INSERT INTO messaging.conversations (id, last_seq)
    VALUES (${huge}::uuid, ${UNREAD}::int), (${pair}::uuid, 0)`;
  await sql`
    INSERT INTO messaging.conversations (id)
    SELECT md5('c' || n)::uuid FROM generate_series(1, ${LARGE}::int) n`;
  await sql`
    INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    VALUES (${huge}::uuid, ${greedy}::uuid), (${huge}::uuid, ${other}::uuid),
      (${pair}::uuid, ${anna}::uuid), (${pair}::uuid, ${ben}::uuid)`;
  await sql`
    INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    SELECT md5('c' || c)::uuid, CASE n WHEN 1 THEN ${greedy}::uuid ELSE md5('u' || n)::uuid END
    FROM generate_series(1, ${LARGE}::int) c, generate_series(1, ${PEOPLE}::int) n`;
  await sql`
    INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
    SELECT ${other}::uuid, ${huge}::uuid, 'message ' || n, n
    FROM generate_series(1, ${UNREAD}::int) n`;
  await sql`ANALYZE`;
  app = await startTestApp(database.url);
}, SEED_TIMEOUT_MS);
afterAll(async () => {
  await app.stop();
  await database.drop();
});

const list = async (userId: string): Promise<number> => {
  const url = `${app.url}/messages/conversations/${userId}?limit=500`;
  const answer = await fetch(url, { headers: { 'x-user-id': userId } });
  await answer.text();
  return answer.status;
};

it('a hundred joins, forty lists and hundreds of marks of one person refuse nobody else', async () => {
  const sockets = Array.from({ length: 100 }, () =>
    app.connect(greedy, { transports: ['websocket'] }),
  );
  const chatting = app.connect(anna, { transports: ['websocket'] });
  await Promise.all([...sockets, chatting].map(connected));

  const joins = sockets.map((socket) => ask(socket, 'join_conversation', huge));
  let answered = 0;
  const lists = Array.from({ length: 40 }, async () => {
    const status = await list(greedy);
    answered += 1;
    return status;
  });
  const marks = Array.from({ length: 500 }, (_, n) => {
    const mark = { conversation_id: huge, up_to_seq: n + 1 };
    return ask(sockets[n % 100] ?? chatting, 'mark_read', mark);
  });

  // By now all of it has arrived, and most of it waits; what comes from somebody else does not.
  await Promise.race(lists);
  const others = await Promise.all([
    ask(chatting, 'send_message', { conversation_id: pair, content: 'hello' }),
    ask(chatting, 'join_conversation', pair),
    list(anna),
  ]);
  const overtaken = lists.length - answered;

  const refusals = (answers: Answer[]): string[] =>
    answers.filter(({ success }) => !success).map(({ error }) => error.code);
  const [joined, listed, marked] = await Promise.all([
    Promise.all(joins),
    Promise.all(lists),
    Promise.all(marks),
  ]);
  expect(others).toMatchObject([{ success: true }, { success: true }, 200]);
  // Without a line of one's own it is none: all of them go first.
  expect(overtaken).toBeGreaterThan(10);
  // Whoever asks for too much waits, or is told so: never that the service is not there.
  expect(
    [...refusals(joined), ...refusals(marked)].filter((code) => code !== 'rate_limited'),
  ).toEqual([]);
  expect(listed.filter((status) => status !== 200 && status !== 429)).toEqual([]);
  const counted = joined.find(({ success }) => success)?.data;
  expect(counted).toMatchObject({ unread_exact: false });
  // Of all the marks the furthest stands.
  const [row] = await database.sql<{ last_read_seq: string }[]>`
    SELECT last_read_seq FROM messaging.conversation_participants
    WHERE conversation_id = ${huge} AND participant_id = ${greedy}`;
  expect(Number(row?.last_read_seq)).toBe(500);
}, 60_000);
