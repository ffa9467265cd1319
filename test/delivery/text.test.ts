/** Messages of every script, through the whole service: the same over every transport and door. */
import fc from 'fast-check';
import type { Socket } from 'socket.io-client';
import { describe, expect, it } from 'vitest';
import { ask, collect, connected } from '../support/app.ts';
import type { TestPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { longLatin, longText, SCRIPTS } from '../support/texts.ts';
import { once, waitFor } from '../support/wait.ts';

type Message = { seq: number; content: string };

const TRANSPORTS = ['polling', 'websocket'] as const;
const MAX_CONTENT_LENGTH = 4_000;
const RUNS = 40;

const scene = useScene({
  settings: { SANITIZE_HTML: 'none' },
  // A name of one byte a character, and one that needs two.
  names: { alice: 'Zoë Ångström', bob: 'Łukasz 李' },
});

const texts = [
  ...SCRIPTS.map(([, text]) => text),
  longLatin(MAX_CONTENT_LENGTH),
  longText(MAX_CONTENT_LENGTH / 2)
    .slice(0, MAX_CONTENT_LENGTH)
    .toWellFormed(),
];

/** As bytes, so that a byte that is no UTF-8 is an error here and not U+FFFD. */
async function get<Data = unknown>(
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: { success: boolean; data: Data } }> {
  const headers = { 'x-user-id': scene.alice.id, 'content-type': 'application/json' };
  const response = await fetch(scene.app.url + path, { headers, ...init });
  const text = new TextDecoder('utf8', { fatal: true }).decode(await response.arrayBuffer());
  return { status: response.status, body: JSON.parse(text) };
}

async function member(
  person: TestPerson,
  conversation_id: string,
  transport: string,
  join: object = {},
): Promise<{ client: Socket; heard: Message[]; ends: string[] }> {
  const client = scene.app.connect(person.id, { transports: [transport], reconnection: false });
  const heard = collect<Message>(client, 'new_message');
  const ends: string[] = [];
  client.on('disconnect', (reason) => ends.push(reason));
  await connected(client);
  expect(await ask(client, 'join_conversation', { conversation_id, ...join })).toMatchObject({
    success: true,
  });
  return { client, heard, ends };
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  it('live, acknowledged, replayed, and over REST', async () => {
    const conversation_id = await scene.conversation();
    const a = await member(scene.alice, conversation_id, transport);
    const b = await member(scene.bob, conversation_id, transport);
    for (const content of texts) {
      const { data } = await ask(a.client, 'send_message', { conversation_id, content });
      expect(data.content).toBe(content);
    }
    const said = texts.map((content, i) => ({ seq: i + 1, content }));
    for (const { heard } of [a, b]) {
      await waitFor(() => heard.length === texts.length, { what: 'the messages' });
      expect(heard).toMatchObject(said);
    }
    const replayed = await member(scene.bob, conversation_id, transport, { after_seq: 0 });
    expect(replayed.heard).toMatchObject(said);
    const page = await get<{ messages: Message[] }>(`/messages/${conversation_id}?limit=100`);
    expect(page.body.data.messages).toMatchObject(said);
    expect([a, b, replayed].flatMap(({ ends }) => ends)).toEqual([]);
    for (const { client } of [a, b, replayed]) client.close();
  });

  it('of any code points that a message may have', async () => {
    const conversation_id = await scene.conversation();
    const a = await member(scene.alice, conversation_id, transport);
    const b = await member(scene.bob, conversation_id, transport);
    const letters = fc.oneof(
      fc.integer({ min: 0xa1, max: 0xff }).map((code) => String.fromCharCode(code)),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    );
    const content = fc
      .string({ unit: letters, minLength: 1, maxLength: 300 })
      .filter((text) => !/\p{Cc}/u.test(text) && /[\p{L}\p{N}]/u.test(text)); // Something to show.
    await fc.assert(
      fc.asyncProperty(content, async (text) => {
        const heard = once<[Message]>(b.client, 'new_message');
        const answer = await ask(a.client, 'send_message', { conversation_id, content: text });
        expect({ ack: answer.data?.content, live: (await heard)[0].content }).toEqual({
          ack: text,
          live: text,
        });
      }),
      { numRuns: RUNS },
    );
    for (const { client } of [a, b]) client.close();
  });

  it('in what is wrong about it', async () => {
    const conversation_id = await scene.conversation();
    const { client, ends } = await member(scene.alice, conversation_id, transport);
    for (const [, text] of SCRIPTS) {
      const refused = once<[{ event: string; code: string }]>(client, 'error');
      client.emit(text, {});
      expect((await refused)[0].event).toBe(text);
    }
    expect(ends).toEqual([]);
    client.close();
  });
});

it('in names, bodies and errors over REST', async () => {
  const conversation_id = await scene.conversation();
  for (const content of texts) {
    const { status, body } = await get<Message>(`/messages/${conversation_id}`, {
      method: 'POST',
      body: JSON.stringify({ content }),
    });
    expect({ status, content: body.data?.content }).toEqual({ status: 201, content });
    const list = await get<{ last_message: Message }[]>(
      `/messages/conversations/${scene.alice.id}`,
    );
    expect(list.body.data[0]?.last_message.content).toBe(content);
    expect(JSON.stringify(list.body)).toContain(scene.alice.name);
    expect(JSON.stringify(list.body)).toContain(scene.bob.name);
  }
  for (const [, text] of SCRIPTS) {
    const path = `/messages/${encodeURIComponent(text)}`;
    expect((await get(path)).body).toMatchObject({ success: false });
    const body = JSON.stringify({ content: 'x', message_type: text, [text]: text });
    const refused = await get(`/messages/${conversation_id}`, { method: 'POST', body });
    expect(refused).toMatchObject({ status: 400, body: { success: false } });
  }
});
