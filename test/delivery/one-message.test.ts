/** A message is the same, field by field, wherever it is shown: no reader of the table leaves a column out. */
import { expect, it } from 'vitest';
import { Message } from '../../src/chat/schemas.ts';
import { ask, connected } from '../support/app.ts';
import { useScene } from '../support/scene.ts';
import { once } from '../support/wait.ts';

const scene = useScene();

it('acknowledgement, repeat, delivery, replay, history and list show the same message', async () => {
  const conversation_id = await scene.conversation();
  const client = scene.app.connect(scene.alice.id);
  await connected(client);
  await ask(client, 'join_conversation', { conversation_id });
  const send = () =>
    ask(client, 'send_message', {
      conversation_id,
      content: 'A picture',
      message_type: 'image',
      media_url: 'https://example.org/picture.png',
      client_message_id: 'one',
    });
  const told = once<[unknown]>(client, 'new_message');
  const { data: message } = await send();
  const [delivered] = await told;
  const { duplicate, ...repeated } = (await send()).data;
  const told2 = once<[unknown]>(client, 'new_message');
  await ask(client, 'join_conversation', { conversation_id, after_seq: 0 });
  const [replayed] = await told2;
  const read = async (path: string) => {
    const headers = { 'x-user-id': scene.alice.id };
    const answer = await fetch(`${scene.app.url}/messages/${path}`, { headers });
    return ((await answer.json()) as { data: never }).data;
  };
  const { messages }: { messages: unknown[] } = await read(conversation_id);
  const [summary]: { last_message: unknown }[] = await read(`conversations/${scene.alice.id}`);

  expect(Object.keys(message).sort()).toEqual(Object.keys(Message.properties).sort());
  expect(duplicate).toBe(true);
  for (const shown of [delivered, repeated, replayed, messages[0], summary?.last_message]) {
    expect(shown).toEqual(message);
  }
  client.close();
});
