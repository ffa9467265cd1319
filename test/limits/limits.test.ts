/** Rates: what is counted where, and what one who goes over them hears. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ChatError } from '../../src/chat/errors.ts';
import { createUserLimit } from '../../src/limits/user-limits.ts';
import type { RedisServer } from '../../src/redis/server.ts';
import { newId } from '../../src/shared/ids.ts';
import { ask, connected, startTestApp } from '../support/app.ts';
import { createPerson } from '../support/people.ts';
import { openRedisServer, redisUrl, uniquePrefix } from '../support/redis.ts';
import { useScene } from '../support/scene.ts';
import { once, waitFor } from '../support/wait.ts';

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

describe('a person’s limit', () => {
  const servers: RedisServer[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function node(prefix: string, isUp = () => true, windowSeconds = 60) {
    const server = openRedisServer(redisUrl(), prefix);
    servers.push(server);
    await server.checked();
    const away = { ok: false, reason: 'away' } as const;
    const redis = { ...server, status: () => (isUp() ? server.status() : away) };
    return createUserLimit({ name: 'messages', limit: 5, windowSeconds, redis });
  }

  const codeOf = (error: unknown) => (error instanceof ChatError ? error.code : error);

  it('holds over all nodes', async () => {
    const prefix = uniquePrefix();
    const nodes = await Promise.all([node(prefix), node(prefix)]);
    const person = newId();
    const verdicts = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        (nodes[n % 2] as (typeof nodes)[0]).consume(person).then(() => 'ok', codeOf),
      ),
    );
    expect(verdicts.filter((verdict) => verdict === 'ok').length).toBe(5);
    expect(verdicts.filter((verdict) => verdict === 'rate_limited').length).toBe(7);
    await nodes[0]?.consume(newId());
  });

  it('holds on the node alone while Redis is away', async () => {
    const limit = await node(uniquePrefix(), () => false);
    const person = newId();
    const verdicts: unknown[] = [];
    for (let n = 0; n < 7; n += 1) verdicts.push(await limit.consume(person).catch(codeOf));
    expect(verdicts.slice(0, 5)).toEqual(Array.from({ length: 5 }));
    expect(verdicts.slice(5)).toEqual(['rate_limited', 'rate_limited']);
  });

  it.each([
    ['over all nodes', true],
    ['on the node alone', false],
  ])('ends with its window %s, though the clock was set back', async (_where, isUp) => {
    const limit = await node(uniquePrefix(), () => isUp, 1);
    const person = newId();
    const real = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => real() + TEN_YEARS_MS);
    try {
      for (let n = 0; n < 5; n += 1) await limit.consume(person);
      await expect(limit.consume(person)).rejects.toMatchObject({ code: 'rate_limited' });
      clock.mockImplementation(real);
      const refusal = await limit.consume(person).catch((error: ChatError) => error);
      expect(refusal).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 1 });
      const isServed = () =>
        limit
          .consume(person)
          .then(() => true)
          .catch(() => false);
      await waitFor(isServed, { what: 'the next window', timeoutMs: 3_000 });
    } finally {
      clock.mockRestore();
    }
  });

  it('ends with its window, though Redis’s clock was set back', async () => {
    const prefix = uniquePrefix();
    const [limit, other] = [await node(prefix), await node(prefix)];
    const person = newId();
    for (let n = 0; n < 5; n += 1) await limit.consume(person);
    // Redis keeps the time of day at which a key ends: this is what the key of a clock that was set
    // back looks like.
    const key = `${prefix}limit:messages:${person}`;
    await servers[0]?.commands.pexpire(key, TEN_YEARS_MS);
    const refusal = await other.consume(person).catch((error: ChatError) => error);
    expect(refusal).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 60 });
    expect(await servers[0]?.commands.pttl(key)).toBeLessThanOrEqual(60_000);
  });

  it('settles one person’s calls in their order, however each was counted', async () => {
    let up = true;
    const limit = await node(uniquePrefix(), () => up);
    const person = newId();
    const order: number[] = [];
    const calls = [0, 1, 2, 3].map(async (n) => {
      // The second and the last are counted in this process, which is quicker.
      up = n % 2 === 0;
      await limit.consume(person);
      order.push(n);
    });
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3]);
  });
});

describe('the service with RATE_LIMIT=on', () => {
  const scene = useScene({
    settings: {
      RATE_LIMIT: 'on',
      RATE_LIMIT_WINDOW_SECONDS: '60',
      RATE_LIMIT_SENDS: '5',
      RATE_LIMIT_REQUESTS: '20',
      RATE_LIMIT_EVENTS: '30',
      RATE_LIMIT_CONNECTIONS: '40',
      RATE_LIMIT_FAILED_HANDSHAKES: '5',
      TRUSTED_PROXIES: 'loopback',
    },
  });
  let conversation_id: string;

  beforeAll(async () => {
    conversation_id = await scene.conversation();
  });

  const from = (address: string) => ({
    extraHeaders: { 'x-forwarded-for': address },
    reconnection: false,
  });

  it('refuses sends over the limit, on both doors together, and only that person’s', async () => {
    const socket = scene.app.connect(scene.alice.id, from('192.0.2.1'));
    for (let n = 0; n < 5; n += 1) {
      const answer = await ask(socket, 'send_message', { conversation_id, content: `${n}` });
      expect(answer.success).toBe(true);
    }
    const over = await ask(socket, 'send_message', { conversation_id, content: 'over' });
    expect(over.error).toMatchObject({ code: 'rate_limited', retry_after: expect.any(Number) });
    const heard = once(socket, 'error', 10_000);
    socket.emit('send_message', { conversation_id, content: 'over, with nobody to tell' });
    expect(await heard).toEqual([
      {
        event: 'send_message',
        code: 'rate_limited',
        message: expect.any(String),
        retry_after: expect.any(Number),
      },
    ]);
    const post = (id: string) =>
      fetch(`${scene.app.url}/messages/${conversation_id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-user-id': id },
        body: JSON.stringify({ content: 'by REST' }),
      });
    const refused = await post(scene.alice.id);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      error: { code: 'rate_limited', retry_after: Number(refused.headers.get('retry-after')) },
    });
    expect((await post(scene.bob.id)).status).toBe(201);
    const [row] = await scene.db.sql`
      SELECT count(*)::int AS stored FROM messaging.messages
      WHERE conversation_id = ${conversation_id} AND sender_id = ${scene.alice.id}`;
    expect(row).toEqual({ stored: 5 });
  });

  it('refuses requests over the limit; a service has none', async () => {
    const person = await createPerson(scene.db.sql, 'Busy');
    const list = (headers: Record<string, string>) =>
      fetch(`${scene.app.url}/messages/conversations/${person.id}`, { headers });
    const statuses: number[] = [];
    for (let n = 0; n < 22; n += 1) {
      statuses.push((await list({ 'x-user-id': person.id })).status);
    }
    expect(statuses.filter((status) => status === 200).length).toBe(20);
    expect(statuses.slice(-2)).toEqual([429, 429]);
    expect((await list({})).status).toBe(200);
  });

  it('refuses a socket’s events over the limit, and ends one that floods', async () => {
    const socket = scene.app.connect(scene.alice.id, from('192.0.2.2'));
    await connected(socket);
    const codes: (string | undefined)[] = [];
    // The CONNECT was one as well.
    for (let n = 0; n < 30; n += 1) {
      codes.push((await ask(socket, 'leave_conversation', conversation_id)).error?.code);
    }
    expect(codes).toEqual([...Array.from({ length: 29 }), 'rate_limited']);
    const gone = once(socket, 'disconnect', 10_000);
    for (let n = 0; n < 300; n += 1) socket.emit('leave_conversation', conversation_id);
    expect((await gone)[0]).toBe('io server disconnect');
  });

  it('refuses connections of one address over the limit, and no others', async () => {
    const statusOf = async (address: string) => {
      const response = await fetch(`${scene.app.url}/socket.io/?EIO=4&transport=polling`, {
        headers: { 'x-forwarded-for': address },
      });
      return response.status;
    };
    for (let n = 0; n < 40; n += 1) expect(await statusOf('192.0.2.3')).toBe(200);
    expect(await statusOf('192.0.2.3')).toBe(429);
    expect(await statusOf('192.0.2.4')).toBe(200);
  });

  it('makes an address whose handshakes keep failing wait', async () => {
    for (let n = 0; n < 5; n += 1) {
      const stranger = scene.app.connect('nobody', from('192.0.2.5'));
      const [error] = await once<[Error & { data: object }]>(stranger, 'connect_error', 10_000);
      expect(error.data).toEqual({ code: 'unauthenticated' });
    }
    const refused = scene.app.connect(scene.alice.id, from('192.0.2.5'));
    await once(refused, 'connect_error', 10_000);
    const fine = scene.app.connect(scene.alice.id, from('192.0.2.6'));
    await waitFor(() => fine.connected, { what: 'another address to connect' });
  });

  const conversations = (url: string, who: string, address: string) =>
    fetch(`${url}/messages/conversations/${scene.bob.id}`, {
      headers: { 'x-user-id': who, 'x-forwarded-for': address },
    });

  it('makes an address whose REST calls keep failing wait, on both doors', async () => {
    // Only who cannot prove itself counts, not who asks for what is not its own.
    for (let n = 0; n < 7; n += 1) {
      expect((await conversations(scene.app.url, scene.alice.id, '192.0.2.7')).status).toBe(403);
    }
    for (let n = 0; n < 5; n += 1) {
      expect((await conversations(scene.app.url, 'nobody', '192.0.2.7')).status).toBe(401);
    }
    const refused = await conversations(scene.app.url, scene.bob.id, '192.0.2.7');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await refused.json()).toMatchObject({ error: { code: 'rate_limited' } });
    expect((await conversations(scene.app.url, scene.bob.id, '192.0.2.8')).status).toBe(200);
    const handshake = await fetch(`${scene.app.url}/socket.io/?EIO=4&transport=polling`, {
      headers: { 'x-forwarded-for': '192.0.2.7' },
    });
    expect(handshake.status).toBe(429);
    expect((await fetch(`${scene.app.url}/health`)).status).toBe(200);
  });

  it('believes no X-Forwarded-For without trusted proxies', async () => {
    const direct = await startTestApp(scene.db.url, {
      RATE_LIMIT: 'on',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      RATE_LIMIT_FAILED_HANDSHAKES: '3',
    });
    const statuses: number[] = [];
    for (let n = 1; n <= 4; n += 1) {
      statuses.push((await conversations(direct.url, 'nobody', `198.51.100.${n}`)).status);
    }
    await direct.stop();
    expect(statuses).toEqual([401, 401, 401, 429]);
  });
});
