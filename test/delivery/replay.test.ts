/** Replays of long messages, over real transports: nobody is cut off for reading at a normal pace. */
import { beforeAll, expect, it } from 'vitest';
import { ask, collect } from '../support/app.ts';
import { useScene } from '../support/scene.ts';

const COUNT = 400;

const scene = useScene();
let conversation_id: string;
beforeAll(async () => {
  conversation_id = await scene.conversation();
  await scene.db.sql`
    INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
    SELECT ${scene.alice.id}::uuid, ${conversation_id}::uuid, repeat('Grüße 你好 ', 400), n
    FROM generate_series(1, ${COUNT}::bigint) n`;
  await scene.db.sql`
    UPDATE messaging.conversations SET last_seq = ${COUNT} WHERE id = ${conversation_id}`;
});

it.each(['polling', 'websocket'])('several megabytes over %s', async (transport) => {
  const client = scene.app.connect(scene.bob.id, { transports: [transport], reconnection: false });
  const heard = collect<{ seq: number }>(client, 'new_message');
  const ends: string[] = [];
  client.on('disconnect', (reason) => ends.push(reason));
  const answer = await ask(client, 'join_conversation', { conversation_id, after_seq: 0 });
  expect({ answer, ends }).toMatchObject({ answer: { success: true }, ends: [] });
  expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
});
