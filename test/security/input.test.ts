/** Whatever a text holds: the right code, or stored exactly as the contract says; never a 500. */
import type { Socket } from 'socket.io-client';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, ask, connected } from '../support/app.ts';
import { useScene } from '../support/scene.ts';
import { once } from '../support/wait.ts';
import { hostileTexts, hugeTexts } from './hostile-texts.ts';
import { callRest } from './operations.ts';

const scene = useScene({
  settings: {
    SANITIZE_HTML: 'none',
    MAX_CONTENT_LENGTH: '200000',
    MAX_BACKPRESSURE_BYTES: '8000000',
  },
});
let socket: Socket;
let conversation_id: string;

beforeAll(async () => {
  socket = scene.app.connect(scene.alice.id, { transports: ['websocket'] });
  await connected(socket);
});
beforeEach(async () => {
  conversation_id = await scene.conversation();
});

interface Door {
  name: string;
  send(body: object): Promise<Answer>;
  markRead(body: object): Promise<Answer>;
}
const byRest = async (path: string, body: object): Promise<Answer> => {
  const call = { method: 'POST', path, body };
  const { status, body: answer } = await callRest(scene.app.url, call, {
    'x-user-id': scene.alice.id,
  });
  expect(status).toBeLessThan(500);
  return answer;
};
const doors: Door[] = [
  {
    name: 'REST',
    send: (body) => byRest(`/messages/${conversation_id}`, body),
    markRead: (body) => byRest(`/messages/${conversation_id}/mark-read`, body),
  },
  {
    name: 'the socket',
    send: (body) => ask(socket, 'send_message', { conversation_id, ...body }),
    markRead: (body) => ask(socket, 'mark_read', { conversation_id, ...body }),
  },
];

const outcomeOf = (answer: Answer): string => (answer.success ? 'ok' : answer.error.code);
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');
/**
 * By the words of the contract: other control characters than newline and tab are removed. Those that end a line
 * elsewhere end one here.
 */
const withoutControls = (text: string): string =>
  Array.from(text.replaceAll('\r\n', '\n').replaceAll(/[\r\v\f\u0085]/g, '\n'))
    .filter((character) => {
      const code = character.codePointAt(0) ?? 0;
      return (
        character === '\n' || character === '\t' || code > 0x9f || (code > 0x1f && code < 0x7f)
      );
    })
    .join('');

async function storedOf(id: unknown): Promise<Record<string, unknown>> {
  const [row] = await scene.db.sql`
    SELECT content, media_url, client_message_id FROM messaging.messages WHERE id = ${String(id)}`;
  return { ...row };
}

const huge: [string, string][] = Object.entries(hugeTexts);
const texts: [string, string][] = [
  ...hostileTexts.map((text): [string, string] => [JSON.stringify(text).slice(0, 40), text]),
  ...huge.map(([name, text]): [string, string] => [`100 kB of ${name}`, text]),
];

describe.each(doors)('as content, over $name', ({ send }) => {
  it.each(texts)('%s', async (_name, text) => {
    const listener = scene.app.connect(scene.bob.id, { transports: ['websocket'] });
    try {
      await ask(listener, 'join_conversation', conversation_id);
      const heard = once<[{ content: string }]>(listener, 'new_message', 10_000);
      heard.catch(() => undefined);
      const answer = await send({ content: text });
      if (answer.success) {
        expect(isStorable(text)).toBe(true);
        const expected = withoutControls(text);
        expect((await storedOf(answer.data.id)).content).toBe(expected);
        expect(answer.data.content).toBe(expected);
        expect((await heard)[0].content).toBe(expected);
        const read = await fetch(`${scene.app.url}/messages/${conversation_id}`);
        const page = (await read.json()) as { data: { messages: { content: string }[] } };
        expect(page.data.messages.map(({ content }) => content)).toEqual([expected]);
      } else {
        expect(answer.error.code).toBe('invalid_request');
        // Refused is only what cannot be stored or shows nothing.
        const shown = withoutControls(text).replaceAll(
          /[\s\p{Default_Ignorable_Code_Point}]/gu,
          '',
        );
        expect(isStorable(text) && shown !== '').toBe(false);
      }
    } finally {
      listener.close();
    }
  });
});

describe.each(doors)('in the other fields, over $name', ({ send, markRead }) => {
  it('client_message_id is stored exactly or refused', async () => {
    const seen = new Map<string, string>();
    for (const [name, text] of texts) {
      const answer = await send({ content: 'x', client_message_id: text });
      seen.set(name, outcomeOf(answer));
      const isKey = isStorable(text) && text.length >= 1 && text.length <= 64;
      expect([name, outcomeOf(answer)]).toEqual([name, isKey ? 'ok' : 'invalid_request']);
      if (answer.success) {
        expect(answer.data.client_message_id).toBe(text);
        expect((await storedOf(answer.data.id)).client_message_id).toBe(text);
        const again = await send({ content: 'x', client_message_id: text });
        expect(again.data).toMatchObject({ id: answer.data.id, duplicate: true });
      }
    }
    expect(new Set(seen.values())).toEqual(new Set(['ok', 'invalid_request']));
  });

  it('media_url is stored as a browser would ask for it, or refused', async () => {
    let stored = 0;
    for (const [name, text] of texts) {
      for (const media_url of [
        text,
        `https://cdn.example/${text}`,
        `https://cdn.example/?${text}`,
      ]) {
        const answer = await send({ content: '', message_type: 'image', media_url });
        expect([name, outcomeOf(answer)]).toEqual([
          name,
          expect.stringMatching(/^(ok|invalid_request)$/),
        ]);
        if (!answer.success) continue;
        stored += 1;
        const { media_url: kept } = await storedOf(answer.data.id);
        expect(kept).toBe(new URL(media_url).href);
        expect(kept).toMatch(/^https:\/\/cdn\.example\/[\x21-\x7e]*$/);
      }
    }
    expect(stored).toBeGreaterThan(20);
  });

  it.each(['sender_id', 'message_type'])('%s is none of them', async (field) => {
    for (const [name, text] of texts) {
      const answer = await send({ content: 'x', [field]: text });
      expect([name, outcomeOf(answer)]).toEqual([name, 'invalid_request']);
    }
  });

  it.each(['user_id', 'up_to_seq'])('%s is none of them', async (field) => {
    for (const [name, text] of texts) {
      const answer = await markRead({ [field]: text });
      expect([name, outcomeOf(answer)]).toEqual([name, 'invalid_request']);
    }
  });
});

describe('in what only one door has', () => {
  it('ids, places and names in socket payloads', async () => {
    for (const [name, text] of texts) {
      for (const [event, payload] of [
        ['join_conversation', text],
        ['join_conversation', { conversation_id: text }],
        ['join_conversation', { conversation_id, after_seq: text }],
        ['leave_conversation', text],
        ['send_message', { conversation_id: text, content: 'x' }],
        ['typing_start', { conversation_id, user_id: text }],
        ['message_delivered', { conversation_id, up_to_seq: text }],
      ] as const) {
        const answer = await ask(socket, event, payload);
        expect([name, event, outcomeOf(answer)]).toEqual([name, event, 'invalid_request']);
      }
      const typing = await ask(socket, 'typing_start', { conversation_id, user_name: text });
      expect([name, outcomeOf(typing)]).toEqual([name, 'ok']);
    }
    expect(socket.connected).toBe(true);
  });

  it('tokens and stated ids of a handshake', async () => {
    // The stock client itself cannot write half a surrogate pair into a URL.
    for (const text of hostileTexts.filter((given) => given.isWellFormed())) {
      const client = scene.app.connect('', {
        query: { userId: text },
        auth: { token: text },
        transports: ['websocket'],
        reconnection: false,
      });
      const [error] = await once<[Error & { data?: object }]>(client, 'connect_error', 10_000);
      expect([text, error.data]).toEqual([text, { code: 'unauthenticated' }]);
      client.close();
    }
  });

  /** What stands right after /messages/ and is no UUID is a word that no route has. */
  const NO_ROUTE = [404, 'not_found'];
  const BAD_ID = [400, 'invalid_request'];
  const firstIs = (path: string, part: string) => path.split(/[/?]/)[2] === part;

  it('path, query and header of REST', async () => {
    for (const text of hostileTexts.filter((given) => given.isWellFormed() && given !== '')) {
      const part = encodeURIComponent(text);
      for (const [method, path] of [
        ['GET', `/messages/${part}`],
        ['GET', `/messages/conversations/${part}`],
        ['GET', `/messages/conversations/${scene.alice.id}?cursor=${part}`],
        ['GET', `/messages/conversations/${scene.alice.id}?limit=${part}`],
        ['GET', `/messages/${conversation_id}?offset=${part}`],
        ['GET', `/messages/${conversation_id}?${part}=1`],
        ['PUT', `/messages/${conversation_id}/participants/${part}`],
        ['DELETE', `/messages/${part}/participants/${scene.alice.id}`],
      ] as const) {
        const { status, body } = await callRest(scene.app.url, { method, path }, {});
        const refusal = firstIs(path, part) ? NO_ROUTE : BAD_ID;
        expect([path, status, outcomeOf(body)]).toEqual([path, ...refusal]);
      }
      // What a header cannot carry never leaves the client.
      if (/^[\x21-\x7e][\x20-\x7e]*[\x21-\x7e]$/.test(text)) {
        const call = { method: 'GET', path: `/messages/${conversation_id}` };
        const { status } = await callRest(scene.app.url, call, { 'x-user-id': text });
        expect([text, status]).toEqual([text, 401]);
      }
    }
  });

  it('paths that are no URLs, or too long', async () => {
    const paths = ['%', '%zz', '%c0%af', '%ff', 'x'.repeat(101), '0'.repeat(2_000)];
    for (const part of paths) {
      for (const path of [`/messages/${part}`, `/messages/conversations/${part}`]) {
        const { status, body } = await callRest(scene.app.url, { method: 'GET', path }, {});
        const refusal = firstIs(path, part) && !part.startsWith('%') ? NO_ROUTE : BAD_ID;
        expect([path, status, outcomeOf(body)]).toEqual([path, ...refusal]);
        expect(body.error.message).not.toContain(part);
      }
    }
  });

  it('ids in a new conversation', async () => {
    for (const [name, text] of texts) {
      for (const body of [
        { participant_ids: [scene.alice.id, text] },
        { participant_ids: text },
        { participant_ids: [scene.alice.id], request_match_id: text },
      ]) {
        expect([name, outcomeOf(await byRest('/messages', body))]).toEqual([
          name,
          'invalid_request',
        ]);
      }
    }
  });

  it('left everything where it was', async () => {
    const [row] = await scene.db.sql`SELECT count(*)::int AS people FROM auth.users`;
    expect(row).toEqual({ people: 3 });
  });
});
