/**
 * The service while its database and its Redis have no address, or one that cannot be reached: the
 * process lives, answers `503 unavailable`, and goes on by itself.
 */
import dns from 'node:dns';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { request } from '../conformance/support.ts';
import { pollUrl, UNKNOWN_SID, wsUrl } from '../peers/peer-server.ts';
import { type Answer, ask, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { once, waitFor } from '../support/wait.ts';

const DATABASE = 'database.invalid';
const REDIS = 'redis.invalid';
/** Nobody may connect to the broadcast address: the kernel says so in the same turn. */
const NOT_TO_BE_CALLED = '255.255.255.255';

/** What a name of ours leads to: an address, or the code of the error. */
let answer: { address: string } | { code: string };

const { lookup } = dns;
beforeEach(() => {
  answer = { address: '127.0.0.1' };
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, ...rest: unknown[]) => {
    if (name !== DATABASE && name !== REDIS) return Reflect.apply(lookup, dns, [name, ...rest]);
    const done = rest.at(-1) as (...args: unknown[]) => void;
    const all = (rest[0] as { all?: boolean }).all === true;
    // A name server is asked: its answer comes later.
    setImmediate(() => {
      if ('code' in answer) {
        const facts = { ...answer, syscall: 'getaddrinfo', hostname: name };
        done(Object.assign(new Error(`getaddrinfo ${answer.code} ${name}`), facts));
      } else if (all) {
        done(null, [{ address: answer.address, family: 4 }]);
      } else {
        done(null, answer.address, 4);
      }
    });
  }) as typeof dns.lookup);
});
afterEach(() => vi.restoreAllMocks());

let db: TestDatabase;
let redis: OwnRedis;
let app: TestApp;
let alice: TestPerson;
let conversation_id: string;

beforeEach(async () => {
  db = await createTestDatabase();
  redis = await startOwnRedis();
  alice = await createPerson(db.sql, 'Alice');
  conversation_id = await createConversation(db.sql, [alice]);
  const database = new URL(db.url);
  database.hostname = DATABASE;
  app = await startTestApp(database.href, {
    REDIS_URL: `redis://${REDIS}:${redis.port}`,
    RATE_LIMIT: 'on',
    SEND_DEADLINE_MS: '500',
  });
});
afterEach(async () => {
  await app.stop();
  await redis.stop();
  await db.drop();
});

/** Ends what is open: all that follows has to connect. */
async function cutConnections(): Promise<void> {
  await db.sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'messaging%'`;
  const client = new Redis(redis.url);
  for (const type of ['pubsub', 'normal']) await client.call('CLIENT', 'KILL', 'TYPE', type);
  client.disconnect();
}

async function get(path: string): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`${app.url}${path}`);
  return { status: response.status, body: (await response.json()) as Answer };
}

const history = () => get(`/messages/${conversation_id}`);

describe.each([
  ['no name', { code: 'ENOTFOUND' }],
  ['no name server', { code: 'EAI_AGAIN' }],
  ['no descriptor for asking', { code: 'EMFILE' }],
  ['an address that cannot be called', { address: NOT_TO_BE_CALLED }],
])('with %s for PostgreSQL and Redis', (_what, outage) => {
  it('it lives, says unavailable, and goes on by itself', async () => {
    const client = app.connect(alice.id, { transports: ['websocket'] });
    expect((await ask(client, 'join_conversation', conversation_id)).success).toBe(true);
    answer = outage;
    await cutConnections();
    await waitFor(async () => (await history()).status === 503, { what: 'the outage' });

    const { status, body } = await history();
    expect([status, body.error.code]).toEqual([503, 'unavailable']);
    const message = { conversation_id, content: 'x', client_message_id: 'x' };
    expect((await ask(client, 'send_message', message)).error.code).toBe('unavailable');
    expect((await get('/ready')).status).toBe(503);
    expect((await get('/health')).status).toBe(200);
    expect(client.connected).toBe(true);

    answer = { address: '127.0.0.1' };
    await waitFor(
      async () => {
        const { body: ready } = await get('/ready');
        return JSON.stringify(ready).match(/"postgres":"ok","redis":"ok"/) !== null;
      },
      { what: 'the return of both' },
    );
    // Repeated until it is acknowledged, as the README says; stored once all the same.
    await waitFor(async () => (await ask(client, 'send_message', message)).success, {
      what: 'the acknowledgement',
    });
    expect((await history()).body.data.total).toBe(1);
  });
});

describe('a session of a process that has an address that cannot be called', () => {
  const owner = 'AAAAAAAA';
  const sid = owner.padEnd(30, 'A');
  beforeEach(async () => {
    const client = new Redis(redis.url);
    await client.set(`messaging:peer:${owner}`, `${NOT_TO_BE_CALLED} 4000 key`, 'EX', 60);
    client.disconnect();
  });

  it('is unknown to a poller', async () => {
    const { status, text } = await request(pollUrl(app.port, sid));
    expect([status, JSON.parse(text)]).toEqual([400, UNKNOWN_SID]);
    expect((await get('/health')).status).toBe(200);
  });

  it('is closed for a WebSocket', async () => {
    const socket = new WebSocket(wsUrl(app.port, sid));
    await once(socket, 'close');
    expect((await get('/health')).status).toBe(200);
  });
});
