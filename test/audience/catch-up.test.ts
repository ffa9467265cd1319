/** What nodes of one database hear of each other when Redis has lost it: by PostgreSQL alone. */
import type { Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, collect, connected, startTestApp, type TestApp } from '../support/app.ts';
import type { TestPerson } from '../support/people.ts';
import { uniquePrefix } from '../support/redis.ts';
import { startOwnRedis } from '../support/redis-server.ts';
import { usePeople } from '../support/scene.ts';
import { once, waitFor } from '../support/wait.ts';

const scene = usePeople();
let here: TestApp;
let there: TestApp;
const open: Socket[] = [];

afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

async function connect(app: TestApp, person: TestPerson): Promise<Socket> {
  const client = app.connect(person.id);
  open.push(client);
  await connected(client);
  return client;
}

async function joined(app: TestApp, person: TestPerson, conversation_id: string): Promise<Socket> {
  const client = await connect(app, person);
  expect(await ask(client, 'join_conversation', { conversation_id })).toMatchObject({
    success: true,
  });
  return client;
}

async function rest(method: string, path: string, body?: object): Promise<number> {
  const response = await fetch(here.url + path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return response.status;
}

describe('two nodes that no Redis joins', () => {
  beforeAll(async () => {
    const env = { HEAD_CHECK_INTERVAL_MS: '100' };
    [here, there] = await Promise.all([
      startTestApp(scene.db.url, env),
      startTestApp(scene.db.url, env),
    ]);
  });
  afterAll(() => Promise.all([here.stop(), there.stop()]));

  it('a conversation is told to each participant once, wherever it was made', async () => {
    const sockets = await Promise.all([connect(here, scene.alice), connect(there, scene.bob)]);
    const heard = sockets.map((socket) => collect(socket, 'conversation_created'));
    expect(
      await rest('POST', '/messages', { participant_ids: [scene.alice.id, scene.bob.id] }),
    ).toBe(201);
    await waitFor(() => heard.every(({ length }) => length > 0), { what: 'both to hear of it' });
    const [first, second] = heard;
    expect(second).toEqual(first);
    // Until a later one has been told, nothing of the first comes again.
    expect(
      await rest('POST', '/messages', { participant_ids: [scene.alice.id, scene.bob.id] }),
    ).toBe(201);
    await waitFor(() => heard.every(({ length }) => length > 1), { what: 'the next one' });
    expect(heard.map(({ length }) => length)).toEqual([2, 2]);
  });

  it('who was added or removed is told to the conversation and to that person, once', async () => {
    const conversation_id = await scene.conversation();
    const [a, b, c] = await Promise.all([
      joined(here, scene.alice, conversation_id),
      joined(there, scene.bob, conversation_id),
      connect(there, scene.carol),
    ]);
    const change = { conversation_id, user_id: scene.carol.id };
    // Of the making of the conversation, row by row, somebody may still hear.
    const ofCarol = (event: string) =>
      [a, b, c].map((socket) => {
        const seen: object[] = [];
        socket.on(event, (one: typeof change) => one.user_id === scene.carol.id && seen.push(one));
        return seen;
      });
    const added = ofCarol('participant_added');
    const removed = ofCarol('participant_removed');
    const path = `/messages/${conversation_id}/participants/${scene.carol.id}`;
    expect(await rest('PUT', path)).toBe(200);
    await waitFor(() => added.every(({ length }) => length > 0), { what: 'the addition' });
    expect(await rest('DELETE', path)).toBe(200);
    await waitFor(() => removed.every(({ length }) => length > 0), { what: 'the removal' });
    expect([...added, ...removed]).toEqual(Array.from({ length: 6 }, () => [change]));
  });

  it('a removed person’s joined socket leaves, and is told once', async () => {
    const conversation_id = await scene.conversation();
    const b = await joined(there, scene.bob, conversation_id);
    const removed = collect(b, 'participant_removed');
    const messages = collect(b, 'new_message');
    expect(await rest('DELETE', `/messages/${conversation_id}/participants/${scene.bob.id}`)).toBe(
      200,
    );
    await waitFor(() => removed.length > 0, { what: 'the removal' });
    const a = await joined(there, scene.alice, conversation_id);
    await ask(a, 'send_message', { conversation_id, content: 'without Bob' });
    const path = `/messages/${conversation_id}/participants/${scene.bob.id}`;
    const added = once(b, 'participant_added', 10_000);
    expect(await rest('PUT', path)).toBe(200);
    await added;
    expect({ removed: removed.length, messages }).toEqual({ removed: 1, messages: [] });
  });

  it('a disconnection reaches the other node, and nobody who has come back since', async () => {
    const b = await connect(there, scene.bob);
    const ended = once<[string]>(b, 'disconnect', 10_000);
    expect(await rest('POST', `/messages/users/${scene.bob.id}/disconnect`)).toBe(200);
    expect((await ended)[0]).toBe('io server disconnect');
    const again = await connect(there, scene.bob);
    // An order that came later has been carried out: so has been what was before it.
    const c = await connect(there, scene.carol);
    const last = once(c, 'disconnect', 10_000);
    expect(await rest('POST', `/messages/users/${scene.carol.id}/disconnect`)).toBe(200);
    await last;
    expect(again.connected).toBe(true);
  });
});

it('marks made while Redis was away are announced when it is back', async () => {
  const redis = await startOwnRedis();
  const env = { REDIS_URL: redis.url, REDIS_PREFIX: uniquePrefix() };
  [here, there] = await Promise.all([
    startTestApp(scene.db.url, env),
    startTestApp(scene.db.url, env),
  ]);
  try {
    const conversation_id = await scene.conversation();
    const a = await joined(here, scene.alice, conversation_id);
    const b = await joined(there, scene.bob, conversation_id);
    await ask(a, 'send_message', { conversation_id, content: 'read me' });
    await redis.kill('SIGKILL');
    await waitFor(async () => (await fetch(`${here.url}/ready`)).json().then(redisIsAway), {
      what: 'the loss of Redis to be noticed',
    });
    await ask(b, 'mark_read', { conversation_id });
    const heard = once<[object]>(a, 'messages_read', 20_000);
    await redis.restart();
    expect((await heard)[0]).toEqual({ conversation_id, user_id: scene.bob.id, last_read_seq: 1 });
  } finally {
    await Promise.all([here.stop(), there.stop()]);
    await redis.stop();
  }
});

function redisIsAway(answer: unknown): boolean {
  return !JSON.stringify(answer).includes('"redis":"ok"');
}
