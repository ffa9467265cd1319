/** What is no event counts as well: on a connection, and before there is one. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPacketLimit } from '../../src/limits/packet-limit.ts';
import { closeReasons } from '../../src/realtime/close-reasons.ts';
import { createSessionIds, TAG_BYTES } from '../../src/realtime/engine-ids.ts';
import { type RawSocket, rawSocket } from '../conformance/support.ts';
import { connected, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { once, waitFor } from '../support/wait.ts';

describe('the packets of a connection', () => {
  it('are fine up to the limit, too many up to ten times it, then a flood', () => {
    let nowMs = 0;
    let refused = 0;
    const limit = createPacketLimit({
      limit: 2,
      windowMs: 10_000,
      refused: () => {
        refused += 1;
      },
      now: () => nowMs,
    });
    const one = { packets: 0, window: 0 };
    const other = { packets: 0, window: 0 };
    const verdicts = Array.from({ length: 21 }, () => limit.take(one));
    expect(verdicts.slice(0, 3)).toEqual(['ok', 'ok', 'over']);
    expect(verdicts.slice(-2)).toEqual(['over', 'flood']);
    expect([refused, limit.take(other)]).toEqual([19, 'ok']);
    nowMs = 7_500;
    expect(limit.retryAfterSeconds()).toBe(3);
    nowMs = 10_000;
    expect(limit.take(one)).toBe('ok');
    expect(limit.retryAfterSeconds()).toBe(10);
  });
});

const LIMIT = 20;
let db: TestDatabase;
let app: TestApp;
beforeAll(async () => {
  db = await createTestDatabase();
  return () => db.drop();
});
beforeEach(async () => {
  app = await startTestApp(db.url, {
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '3600',
    RATE_LIMIT_EVENTS: String(LIMIT),
    TRUSTED_PROXIES: 'loopback',
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
  });
});
afterEach(() => app.stop());

/** A WebSocket that has connected to the main namespace, which was its first packet. */
async function connectedSocket(): Promise<RawSocket> {
  const query = `EIO=4&transport=websocket&userId=${randomUUID()}`;
  const socket = rawSocket(`ws://127.0.0.1:${app.port}/socket.io/?${query}`);
  await socket.next();
  socket.send('40');
  expect(String(await socket.next())).toMatch(/^40/);
  return socket;
}

describe('a socket that sends what is no event', () => {
  const kinds = {
    'acknowledgements of nothing': '430[]',
    'CONNECTs to namespaces that are not there': '40/nowhere,',
    'pongs that were not asked for': '3',
    noops: '6',
  };

  it.each(Object.entries(kinds))('is ended in a flood: %s', async (_, packet) => {
    const socket = await connectedSocket();
    for (let n = 0; n < 10 * LIMIT; n += 1) socket.send(packet);
    await socket.closed();
  });

  it.each(['websocket', 'polling'])('a stock client over %s does not come back', async (name) => {
    const client = app.connect(randomUUID(), { transports: [name] });
    await connected(client);
    const reason = once<[string]>(client, 'disconnect');
    for (let n = 0; n < 10 * LIMIT; n += 1) client.emit('leave_conversation', randomUUID());
    expect((await reason)[0]).toBe('io server disconnect');
    expect(client.active).toBe(closeReasons['forced server close'].comesBack);
    expect(client.active).toBe(false);
  });

  it.each(['430[]', '3', '6'])('has used up its events with as many of %s', async (packet) => {
    const socket = await connectedSocket();
    const leave = `420["leave_conversation","${randomUUID()}"]`;
    for (let n = 0; n < LIMIT - 2; n += 1) socket.send(packet);
    socket.send(leave);
    expect(String(await socket.next())).toContain('"success":true');
    socket.send(leave);
    const refused = JSON.parse(String(await socket.next()).slice(3));
    expect(refused[0].error).toEqual({
      code: 'rate_limited',
      message: expect.any(String),
      retry_after: expect.any(Number),
    });
    expect(refused[0].error.retry_after).toBeGreaterThan(1);
    socket.ws.terminate();
  });
});

describe('requests for sessions that nobody has', () => {
  const foreignId = createSessionIds(randomBytes(TAG_BYTES));

  async function ask(sid: string, address: string, method = 'GET') {
    const response = await fetch(`${app.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
      method,
      headers: { 'x-forwarded-for': address },
      ...(method === 'POST' ? { body: '3' } : {}),
    });
    await response.text();
    return response;
  }
  const statusOf = async (...given: Parameters<typeof ask>) => (await ask(...given)).status;
  /** Whether a WebSocket for the session gets as far as being accepted. */
  function upgrade(sid: string, address: string): RawSocket {
    const url = `ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket&sid=${sid}`;
    return rawSocket(url, { headers: { 'x-forwarded-for': address } });
  }

  it.each([
    ['made up', () => randomUUID()],
    ['of a process that is not there', foreignId],
  ])('are counted by address: %s', async (_, sid) => {
    for (let n = 0; n < LIMIT - 1; n += 1) {
      expect(await statusOf(sid(), '192.0.2.1', n % 2 === 0 ? 'GET' : 'POST')).toBe(400);
    }
    await upgrade(sid(), '192.0.2.1').closed();
    const refused = await waitFor(
      async () => {
        const answer = await ask(sid(), '192.0.2.1');
        return answer.status === 429 && answer;
      },
      { what: 'the upgrade to be counted' },
    );
    expect(refused.headers.get('connection')).toBe('close');
    const turnedAway = upgrade(sid(), '192.0.2.1');
    let accepted = false;
    turnedAway.ws.on('open', () => {
      accepted = true;
    });
    await turnedAway.closed();
    expect(accepted).toBe(false);
    // Others ask as before, and whoever has lost its session may open another one.
    expect(await statusOf(sid(), '192.0.2.2')).toBe(400);
    const handshake = await fetch(`${app.url}/socket.io/?EIO=4&transport=polling`, {
      headers: { 'x-forwarded-for': '192.0.2.1' },
    });
    expect(handshake.status).toBe(200);
    const { sid: own } = JSON.parse((await handshake.text()).slice(1));
    expect(await statusOf(own, '192.0.2.1', 'POST')).toBe(200);
  });
});
