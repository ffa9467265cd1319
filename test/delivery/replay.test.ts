/** Replays of long messages, over real transports: nobody is cut off for reading at a normal pace. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, collect, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';

const COUNT = 400;

let db: TestDatabase;
let app: TestApp;
let alice: TestPerson;
let bob: TestPerson;
let conversation_id: string;
beforeAll(async () => {
  db = await createTestDatabase();
  alice = await createPerson(db.sql, 'Alice');
  bob = await createPerson(db.sql, 'Bob');
  conversation_id = await createConversation(db.sql, [alice, bob]);
  await db.sql`
    INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
    SELECT ${alice.id}::uuid, ${conversation_id}::uuid, repeat('Grüße 你好 ', 400), n
    FROM generate_series(1, ${COUNT}::bigint) n`;
  await db.sql`
    UPDATE messaging.conversations SET last_seq = ${COUNT} WHERE id = ${conversation_id}`;
  app = await startTestApp(db.url);
});
afterAll(async () => {
  await app.stop();
  await db.drop();
});

it.each(['polling', 'websocket'])('several megabytes over %s', async (transport) => {
  const client = app.connect(bob.id, { transports: [transport], reconnection: false });
  const heard = collect<{ seq: number }>(client, 'new_message');
  const ends: string[] = [];
  client.on('disconnect', (reason) => ends.push(reason));
  const answer = await ask(client, 'join_conversation', { conversation_id, after_seq: 0 });
  expect({ answer, ends }).toMatchObject({ answer: { success: true }, ends: [] });
  expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
});
