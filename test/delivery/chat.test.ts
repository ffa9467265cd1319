/** CONTRACT section 5 with the stock client, on each transport. */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { io, type ManagerOptions } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, collect, connected, startTestApp, type TestApp } from '../support/app.ts';
import type { TestPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { once, waitFor } from '../support/wait.ts';

type Message = { seq: number; content: string; sender_id: string };

const scene = useScene();
let conversation_id: string;

beforeEach(async () => {
  conversation_id = await scene.conversation();
});

const open: ReturnType<TestApp['connect']>[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

const transports: [string, Partial<ManagerOptions>][] = [
  ['polling, then upgraded (the default)', {}],
  ['websocket only', { transports: ['websocket'] }],
  ['polling only', { transports: ['polling'] }],
];

function connect(person: { id: string }, options: Partial<ManagerOptions> = {}) {
  const client = scene.app.connect(person.id, options);
  open.push(client);
  return client;
}

async function joined(person: TestPerson, options: Partial<ManagerOptions> = {}, after?: object) {
  const client = connect(person, options);
  const answer = await ask(client, 'join_conversation', { conversation_id, ...after });
  expect(answer).toMatchObject({ success: true });
  return client;
}

async function rest(method: string, path: string, person?: TestPerson, body?: object) {
  const response = await fetch(scene.app.url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(person === undefined ? {} : { 'x-user-id': person.id }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect({ status: response.status, body: await response.clone().text() }).toMatchObject({
    status: expect.toSatisfy((status: number) => status < 300),
  });
  return response;
}

describe.each(transports)('over %s', (_name, options) => {
  it('the snippet of the contract: join, send, hear', async () => {
    const socket = connect(scene.alice, options);
    const other = await joined(scene.bob, options);
    const heard = collect<Message>(socket, 'new_message');
    const heardByBob = collect<Message>(other, 'new_message');
    socket.emit('join_conversation', { conversation_id, user_id: scene.alice.id });
    socket.emit('send_message', {
      conversation_id,
      sender_id: scene.alice.id,
      content: 'Hello, when can we meet?',
    });
    await waitFor(() => heard.length === 1 && heardByBob.length === 1, { what: 'the message' });
    expect(heard[0]).toEqual(heardByBob[0]);
    expect(heard[0]).toMatchObject({
      conversation_id,
      seq: 1,
      sender_id: scene.alice.id,
      sender_name: 'Alice',
      content: 'Hello, when can we meet?',
    });
  });

  it('an acknowledged message is committed, and acknowledged before it is heard', async () => {
    const socket = await joined(scene.alice, options);
    const order: string[] = [];
    socket.on('new_message', () => order.push('heard'));
    const answer = await new Promise<{ data: { id: string } }>((resolve) => {
      socket.emit('send_message', { conversation_id, content: 'x' }, (given: never) => {
        order.push('acknowledged');
        resolve(given);
      });
    });
    const rows = await scene.db.sql`SELECT 1 FROM messaging.messages WHERE id = ${answer.data.id}`;
    expect(rows.length).toBe(1);
    await waitFor(() => order.length === 2, { what: 'the message itself' });
    expect(order).toEqual(['acknowledged', 'heard']);
  });

  it('after_seq replays what was missed, in order, then goes on live', async () => {
    const sender = await joined(scene.alice);
    for (let n = 1; n <= 5; n += 1) {
      await ask(sender, 'send_message', { conversation_id, content: `${n}` });
    }
    const reader = connect(scene.bob, options);
    const heard = collect<Message>(reader, 'new_message');
    const answer = await ask(reader, 'join_conversation', { conversation_id, after_seq: 2 });
    expect(answer.data).toEqual({
      conversation_id,
      last_seq: 5,
      last_read_seq: 0,
      unread_count: 5,
      unread_exact: true,
    });
    expect(heard.map(({ seq }) => seq)).toEqual([3, 4, 5]);
    await ask(sender, 'send_message', { conversation_id, content: '6' });
    await waitFor(() => heard.length === 4, { what: 'the live message' });
    expect(heard.map(({ content }) => content)).toEqual(['3', '4', '5', '6']);
  });

  it('replay joins live delivery without a hole or a double while others send', async () => {
    const sender = await joined(scene.alice);
    const sending = (async () => {
      for (let n = 0; n < 150; n += 1) {
        await ask(sender, 'send_message', { conversation_id, content: `${n}` });
      }
    })();
    const readers = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const reader = connect(scene.bob, options);
        const heard = collect<Message>(reader, 'new_message');
        await connected(reader);
        await waitFor(() => sender.connected && heard.length === 0, { what: `reader ${index}` });
        await ask(reader, 'join_conversation', { conversation_id, after_seq: 0 });
        return heard;
      }),
    );
    await sending;
    const all = Array.from({ length: 150 }, (_, index) => index + 1);
    for (const heard of readers) {
      await waitFor(() => heard.length >= 150, { what: 'all messages' });
      expect(heard.map(({ seq }) => seq)).toEqual(all);
    }
  });

  it('a connection without identity is refused with a code', async () => {
    const client = connect({ id: 'nobody' }, { ...options, reconnection: false });
    const [error] = await once<[Error & { data: object }]>(client, 'connect_error', 10_000);
    expect(error.data).toEqual({ code: 'unauthenticated' });
  });
});

describe('commands', () => {
  it('a repeated client_message_id is stored and heard once', async () => {
    const socket = await joined(scene.alice);
    const heard = collect<Message>(socket, 'new_message');
    const message = { conversation_id, content: 'once', client_message_id: 'key' };
    const answers = await Promise.all([1, 2, 3].map(() => ask(socket, 'send_message', message)));
    const stored = answers.filter(({ data }) => data.duplicate === undefined);
    expect(stored.length).toBe(1);
    expect(new Set(answers.map(({ data }) => data.id)).size).toBe(1);
    await ask(socket, 'send_message', { conversation_id, content: 'next' });
    await waitFor(() => heard.length === 2, { what: 'both messages' });
    expect(heard.map(({ content }) => content)).toEqual(['once', 'next']);
  });

  it('takes camelCase spellings, and the bare id to join', async () => {
    const socket = connect(scene.alice);
    expect((await ask(socket, 'join_conversation', conversation_id)).success).toBe(true);
    const answer = await ask(socket, 'send_message', {
      conversationId: conversation_id,
      senderId: scene.alice.id,
      content: 'x',
      clientMessageId: 'k',
      messageType: 'text',
    });
    expect(answer.data).toMatchObject({ client_message_id: 'k', sender_id: scene.alice.id });
  });

  it('participants only, on every event; another’s id is a mismatch', async () => {
    const stranger = connect(scene.carol);
    const events: [string, object][] = [
      ['join_conversation', {}],
      ['send_message', { content: 'x' }],
      ['typing_start', {}],
      ['typing_stop', {}],
      ['mark_read', {}],
      ['message_delivered', { up_to_seq: 1 }],
    ];
    for (const [event, payload] of events) {
      const answer = await ask(stranger, event, { conversation_id, ...payload });
      expect([event, answer.error?.code]).toEqual([event, 'not_a_participant']);
      const absent = await ask(stranger, event, { conversation_id: randomUUID(), ...payload });
      expect(absent).toEqual(answer);
      const field = event === 'send_message' ? 'sender_id' : 'user_id';
      const other = await ask(stranger, event, {
        conversation_id,
        ...payload,
        [field]: scene.alice.id,
      });
      expect([event, other.error?.code]).toEqual([event, 'identity_mismatch']);
    }
  });

  it.each([
    ['join_conversation', undefined],
    ['join_conversation', null],
    ['join_conversation', 'not-a-uuid'],
    ['join_conversation', 7],
    ['join_conversation', []],
    ['send_message', {}],
    ['send_message', { content: 5 }],
    ['send_message', { content: '' }],
    ['send_message', { content: 'a\u0000b' }],
    ['mark_read', { up_to_seq: -1 }],
    ['message_delivered', {}],
    ['refresh_token', {}],
    ['no_such_event', {}],
  ])('%s %j is invalid_request', async (event, payload) => {
    const client = connect(scene.alice);
    const full =
      typeof payload === 'object' && payload !== null && !Array.isArray(payload)
        ? { conversation_id, ...payload }
        : payload;
    expect((await ask(client, event, full)).error?.code).toBe('invalid_request');
    // Without an acknowledgement the same failure is an error event.
    const failed = once<[{ event: string; code: string }]>(client, 'error', 10_000);
    client.emit(event, full);
    expect((await failed)[0]).toMatchObject({ event, code: 'invalid_request' });
  });

  it('leave ends delivery; REST sends reach those who joined', async () => {
    const stays = await joined(scene.alice);
    const leaves = await joined(scene.bob);
    const heardByStays = collect<Message>(stays, 'new_message');
    const heardByLeaves = collect<Message>(leaves, 'new_message');
    await ask(leaves, 'leave_conversation', conversation_id);
    await rest('POST', `/messages/${conversation_id}`, scene.bob, { content: 'by REST' });
    await waitFor(() => heardByStays.length === 1, { what: 'the message sent by REST' });
    expect(heardByStays[0]).toMatchObject({ content: 'by REST', seq: 1 });
    await ask(leaves, 'mark_read', { conversation_id });
    expect(heardByLeaves).toEqual([]);
  });

  it('read and delivered marks reach the conversation and keep status true', async () => {
    const sender = await joined(scene.alice);
    const reader = await joined(scene.bob);
    const delivered = once(sender, 'messages_delivered', 10_000);
    await ask(sender, 'send_message', { conversation_id, content: 'x' });
    await ask(reader, 'message_delivered', { conversation_id, up_to_seq: 1 });
    expect((await delivered)[0]).toEqual({
      conversation_id,
      user_id: scene.bob.id,
      last_delivered_seq: 1,
    });
    const status = async () => {
      const response = await rest('GET', `/messages/${conversation_id}`, scene.alice);
      const { data } = (await response.json()) as { data: { messages: { status: string }[] } };
      return data.messages.map((message) => message.status);
    };
    expect(await status()).toEqual(['delivered']);
    const read = once(sender, 'messages_read', 10_000);
    await ask(reader, 'mark_read', { conversation_id });
    expect((await read)[0]).toEqual({ conversation_id, user_id: scene.bob.id, last_read_seq: 1 });
    expect(await status()).toEqual(['read']);
  });

  it('a client too far behind is told to resync and goes on live', async () => {
    const small = await startTestApp(scene.db.url, { MAX_REPLAY: '2' });
    try {
      const sender = await joined(scene.alice);
      for (const content of ['1', '2', '3']) {
        await ask(sender, 'send_message', { conversation_id, content });
      }
      const reader = small.connect(scene.bob.id);
      const heard = collect<Message>(reader, 'new_message');
      const far = await ask(reader, 'join_conversation', { conversation_id, after_seq: 0 });
      expect(far.data).toMatchObject({ resync: true, last_seq: 3 });
      expect(heard).toEqual([]);
      const near = await ask(reader, 'join_conversation', { conversation_id, after_seq: 1 });
      expect(near.data).not.toHaveProperty('resync');
      expect(heard.map(({ seq }) => seq)).toEqual([2, 3]);
      const ahead = await ask(reader, 'join_conversation', { conversation_id, after_seq: 9 });
      expect(ahead.data).toMatchObject({ resync: true, last_seq: 3 });
    } finally {
      await small.stop();
    }
  });
});

describe('typing', () => {
  it('shows the stored name to the others, not to oneself', async () => {
    const typist = await joined(scene.alice);
    const other = await joined(scene.bob);
    const own = collect(typist, 'user_typing');
    const seen = once(other, 'user_typing', 10_000);
    await ask(typist, 'typing_start', { conversation_id, user_name: 'The Boss' });
    expect((await seen)[0]).toEqual({
      conversation_id,
      user_id: scene.alice.id,
      user_name: 'Alice',
    });
    const stopped = once(other, 'user_stopped_typing', 10_000);
    await ask(typist, 'typing_stop', { conversation_id });
    expect((await stopped)[0]).toEqual({ conversation_id, user_id: scene.alice.id });
    expect(own).toEqual([]);
  });

  it('is heard on none of one’s own sockets', async () => {
    const [typist, tab, other] = [
      await joined(scene.alice),
      await joined(scene.alice),
      await joined(scene.bob),
    ];
    const own = [collect(tab, 'user_typing'), collect(tab, 'user_stopped_typing')];
    const seen = once(other, 'user_typing', 10_000);
    await ask(typist, 'typing_start', { conversation_id });
    await seen;
    const message = once(tab, 'new_message', 10_000);
    const stopped = once(other, 'user_stopped_typing', 10_000);
    await ask(typist, 'send_message', { conversation_id, content: 'after it' });
    await message;
    expect(own).toEqual([[], []]);
    expect((await stopped)[0]).toEqual({ conversation_id, user_id: scene.alice.id });
  });

  it('ends with the message, before it is heard', async () => {
    const [typist, other] = [await joined(scene.alice), await joined(scene.bob)];
    const heard: string[] = [];
    other.onAny((event: string) => heard.push(event));
    await ask(typist, 'typing_start', { conversation_id });
    const message = once(other, 'new_message', 10_000);
    await ask(typist, 'send_message', { conversation_id, content: 'typed' });
    await message;
    expect(heard).toEqual(['user_typing', 'user_stopped_typing', 'new_message']);
  });

  it('goes on while another tab types', async () => {
    const [typist, tab, other] = [
      await joined(scene.alice),
      await joined(scene.alice),
      await joined(scene.bob),
    ];
    const stops = collect(other, 'user_stopped_typing');
    for (const socket of [typist, tab]) await ask(socket, 'typing_start', { conversation_id });
    await ask(typist, 'typing_stop', { conversation_id });
    const message = once(other, 'new_message', 10_000);
    await ask(typist, 'send_message', { conversation_id, content: 'meanwhile' });
    await message;
    expect(stops).toEqual([]);
    const stopped = once(other, 'user_stopped_typing', 10_000);
    await ask(tab, 'typing_stop', { conversation_id });
    await stopped;
  });

  it('stops when the socket goes', async () => {
    const typist = await joined(scene.alice);
    const other = await joined(scene.bob);
    await ask(typist, 'typing_start', { conversation_id });
    const stopped = once(other, 'user_stopped_typing', 5_000);
    typist.close();
    expect((await stopped)[0]).toEqual({ conversation_id, user_id: scene.alice.id });
  });

  it('stops by itself after 6 seconds', async () => {
    const typist = await joined(scene.alice);
    const other = await joined(scene.bob);
    const stopped = once(other, 'user_stopped_typing', 10_000);
    const started = performance.now();
    await ask(typist, 'typing_start', { conversation_id });
    await stopped;
    const tookMs = performance.now() - started;
    expect(tookMs).toBeGreaterThan(5_900);
    expect(tookMs).toBeLessThan(8_000);
  });
});

describe('people and conversations', () => {
  it('conversation_created reaches each participant’s sockets', async () => {
    const client = connect(scene.bob);
    await connected(client);
    const created = once<[{ id: string }]>(client, 'conversation_created', 10_000);
    const response = await rest('POST', '/messages', scene.alice, {
      participant_ids: [scene.alice.id, scene.bob.id],
    });
    const { data } = (await response.json()) as { data: object };
    expect((await created)[0]).toEqual(data);
  });

  it('a removed person hears of it, has left, and hears nothing after', async () => {
    const stays = await joined(scene.alice);
    const goes = await joined(scene.bob);
    const heard = collect<Message>(goes, 'new_message');
    const told = once(goes, 'participant_removed', 10_000);
    const others = once(stays, 'participant_removed', 10_000);
    await rest('DELETE', `/messages/${conversation_id}/participants/${scene.bob.id}`);
    const change = { conversation_id, user_id: scene.bob.id };
    expect([(await told)[0], (await others)[0]]).toEqual([change, change]);
    await ask(stays, 'send_message', { conversation_id, content: 'he is gone' });
    const answer = await ask(goes, 'send_message', { conversation_id, content: 'am I?' });
    expect(answer.error.code).toBe('not_a_participant');
    expect(heard).toEqual([]);
    const again = await ask(goes, 'join_conversation', { conversation_id, after_seq: 0 });
    expect(again.error.code).toBe('not_a_participant');
  });

  it('an added person hears of it and can join', async () => {
    const added = connect(scene.carol);
    const member = await joined(scene.alice);
    await connected(added);
    const told = once(added, 'participant_added', 10_000);
    const others = once(member, 'participant_added', 10_000);
    await rest('PUT', `/messages/${conversation_id}/participants/${scene.carol.id}`, scene.alice);
    const change = { conversation_id, user_id: scene.carol.id };
    expect([(await told)[0], (await others)[0]]).toEqual([change, change]);
    expect((await ask(added, 'join_conversation', conversation_id)).success).toBe(true);
  });
});

describe('tokens', () => {
  const secret = 'a secret of at least thirty-two bytes';
  const token = (sub: string, seconds: number) =>
    new SignJWT({ sub })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(new TextEncoder().encode(secret));
  let secured: TestApp;

  beforeAll(async () => {
    secured = await startTestApp(scene.db.url, { JWT_SECRET: secret });
  });
  afterAll(() => secured.stop());

  it('connects by auth.token or query.token; userId alone is refused', async () => {
    const byAuth = secured.connect('', { auth: { token: await token(scene.alice.id, 60) } });
    const byQuery = secured.connect('', { query: { token: await token(scene.bob.id, 60) } });
    await Promise.all([connected(byAuth), connected(byQuery)]);
    const stated = secured.connect(scene.alice.id, { reconnection: false });
    const [error] = await once<[Error & { data: object }]>(stated, 'connect_error', 10_000);
    expect(error.data).toEqual({ code: 'unauthenticated' });
  });

  it('warns before exp and closes at exp; refresh_token moves it', async () => {
    const short = secured.connect('', { auth: { token: await token(scene.alice.id, 3) } });
    const [warning] = await once(short, 'token_expiring', 10_000);
    expect(warning).toEqual({ expires_at: expect.stringMatching(/Z$/) });
    const refused = await ask(short, 'refresh_token', { token: await token(scene.bob.id, 60) });
    expect(refused.error.code).toBe('identity_mismatch');
    const closing = once(short, 'disconnect', 10_000);
    const expired = once<[Error & { data: object }]>(short, 'connect_error', 10_000);
    const started = Date.now();
    const [reason] = await closing;
    expect(reason).toBe('transport close');
    expect(Date.now() - started).toBeLessThan(4_500);
    // It comes back by itself, and is told why it is not let in.
    expect((await expired)[0].data).toEqual({ code: 'token_expired' });
    short.close();

    const kept = secured.connect('', { auth: { token: await token(scene.alice.id, 2) } });
    await connected(kept);
    const answer = await ask(kept, 'refresh_token', { token: await token(scene.alice.id, 600) });
    expect(answer.success).toBe(true);
    const watcher = secured.connect('', { auth: { token: await token(scene.bob.id, 3) } });
    await once(watcher, 'disconnect', 10_000);
    expect(kept.connected).toBe(true);
    watcher.close();
  });

  it('a client that is asked for its token at every connect survives the end of one', async () => {
    const tokens = [await token(scene.alice.id, 2), await token(scene.alice.id, 600)];
    const client = secured.connect('', {
      auth: (give: (data: object) => void) => give({ token: tokens.shift() }),
    });
    await connected(client);
    const back = once(client, 'connect', 10_000);
    expect((await once(client, 'disconnect', 10_000))[0]).toBe('transport close');
    await back;
    expect(tokens).toEqual([]);
  });

  it('a namespace that there is not is refused with a code', async () => {
    const lost = io(`${secured.url}/admin`, {
      forceNew: true,
      reconnection: false,
      auth: { token: await token(scene.alice.id, 60) },
    });
    const [error] = await once<[Error & { data: object }]>(lost, 'connect_error', 10_000);
    expect(error.data).toEqual({ code: 'not_found' });
    lost.close();
  });
});
