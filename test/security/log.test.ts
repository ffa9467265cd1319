/** What people write, and what they prove themselves with, is in no log, whatever goes wrong. */
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { hmacSigner, inAMinute } from '../auth/forge.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, startOwnRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { callRest } from './operations.ts';

const secret = 'a secret of at least thirty-two bytes';
const text = 'what-alice-wrote-to-bob';

let db: TestDatabase;
let app: Awaited<ReturnType<typeof startApp>>;
let url: string;
let alice: TestPerson;
let conversationId: string;
const lines: string[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  alice = await createPerson(db.sql, 'Alice');
  conversationId = await createConversation(db.sql, [alice, await createPerson(db.sql, 'Bob')]);
  // The database refuses the row, and quotes it in its error.
  await db.sql`ALTER TABLE messaging.messages ADD CHECK (content !~ '^what-alice')`;
  app = await start({});
  url = `http://127.0.0.1:${app.port}`;
});
const start = (env: Record<string, string>) =>
  startApp({
    config: readConfig({
      HOST: '127.0.0.1',
      PORT: '0',
      NODE_ENV: 'test',
      JWT_SECRET: secret,
      DATABASE_POOL_MAX: '2',
      DRAIN_GRACE_MS: '0',
      ...env,
    }),
    databaseUrl: db.url,
    ownDatabase: false,
    version: '0',
    log: createLog({ level: 'trace', pretty: false }, { write: (line) => lines.push(line) }),
  });
afterAll(async () => {
  await app.stop();
  await db.drop();
});
beforeEach(() => {
  lines.length = 0;
});

const token = () => hmacSigner(secret)({ alg: 'HS256' }, { sub: alice.id, exp: inAMinute() });

it('a message that PostgreSQL refuses is logged without its text', async () => {
  const given = token();
  const call = { method: 'POST', path: `/messages/${conversationId}`, body: { content: text } };
  const { body } = await callRest(url, call, { authorization: `Bearer ${given}` });
  expect(body.success).toBe(false);
  expect(JSON.stringify(body)).not.toContain(text);
  const log = lines.join('');
  expect(log).not.toContain(text);
  expect(log).not.toContain(given);
  expect(log).not.toContain(secret);
});

it('an error is logged with its causes, and without the row or statement PostgreSQL quotes', () => {
  const quoting = (more: object) => Object.assign(new Error('refused'), { code: '23514', ...more });
  const log = createLog({ level: 'trace', pretty: false }, { write: (line) => lines.push(line) });
  const cause = quoting({ detail: `Failing row contains (${text})`, parameters: [text] });
  log.error({ err: Object.assign(new Error('outer', { cause }), { query: text }) }, 'failed');
  const [line = ''] = lines;
  expect(JSON.parse(line).err).toMatchObject({
    message: 'outer',
    cause: { message: 'refused', code: '23514' },
  });
  expect(line).not.toContain(text);
});

it('neither the password of Redis nor the key for peers is logged when Redis refuses commands', async () => {
  const server = await startOwnRedis();
  const admin = new Redis(server.url);
  const password = randomUUID();
  await admin.call('ACL', 'SETUSER', 'service', 'on', `>${password}`, '+@all', '~*', '&*');
  const node = await start({
    REDIS_URL: `redis://service:${password}@127.0.0.1:${server.port}`,
    RATE_LIMIT: 'on',
  });
  try {
    const [name = ''] = await admin.keys('messaging:peer:*');
    const [, , key = ''] = (await admin.get(name))?.split(' ') ?? [];
    expect(key.length).toBeGreaterThan(20);
    // Connected anew, it makes itself known again, and Redis has no room for that.
    await admin.call('CONFIG', 'SET', 'maxmemory', '1');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const words = 'other processes cannot find the sessions of this one';
    await waitFor(() => lines.join('').includes(words), { what: 'the refusal in the log' });
    expect(lines.join('')).not.toContain(key);
    expect(lines.join('')).not.toContain(password);
  } finally {
    await node.stop();
    admin.disconnect();
    await server.stop();
  }
});

describe('an error of a library', () => {
  const rejection = (promise: PromiseLike<unknown>): Promise<unknown> =>
    Promise.resolve(promise).then(
      () => expect.unreachable(),
      (error: unknown) => error,
    );
  const logged = (fields: object): string => {
    const log = createLog({ level: 'trace', pretty: false }, { write: (line) => lines.push(line) });
    log.debug(fields, 'failed');
    return lines.at(-1) ?? '';
  };
  const thrownBy = (act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      return error;
    }
  };

  it('ioredis: says which command, never with what', async () => {
    const redis = new Redis(redisUrl(), { lazyConnect: true });
    const error = await rejection(redis.set('k', text, 'EX', 'never'));
    const auth = await rejection(redis.auth(text));
    redis.disconnect();
    // Were they not in there, this would prove nothing.
    expect([inspect(error), inspect(auth)].every((shown) => shown.includes(text))).toBe(true);
    expect(logged({ err: error })).not.toContain(text);
    expect(logged({ err: auth })).not.toContain(text);
    expect(JSON.parse(logged({ err: error })).err).toMatchObject({
      type: 'ReplyError',
      message: expect.stringContaining('ERR'),
      command: 'set',
      stack: expect.stringMatching(/^ReplyError: ERR .*\n {4}at /),
    });
  });

  it('postgres.js: says which table and rule, never the statement or its values', async () => {
    const [refused, misread] = await Promise.all([
      rejection(db.sql`
        INSERT INTO messaging.messages (conversation_id, sender_id, content, seq)
        VALUES (${conversationId}, ${alice.id}, ${text}, 1)`),
      rejection(db.sql`SELECT ${text}::text::uuid`),
    ]);
    for (const error of [refused, misread]) {
      expect(inspect(error, { showHidden: true, getters: true })).toContain(text);
      expect(logged({ err: error })).not.toContain(text);
    }
    expect(JSON.parse(logged({ err: refused })).err).toMatchObject({
      code: '23514',
      severity: 'ERROR',
      table_name: 'messages',
      constraint_name: 'messages_content_check',
    });
  });

  it.each([
    ['a URL that is none', () => new URL(`${text}@example.org`)],
    ['JSON that is none', () => JSON.parse(`{"content":${text}`)],
    ['a text in place of JSON', () => JSON.parse(text)],
    ['a text that is thrown', () => text],
    [
      'several at once',
      () => new AggregateError([Object.assign(new Error('one'), { args: [text] })]),
    ],
    [
      'a cause',
      () => new Error('x', { cause: Object.assign(new Error('y'), { command: [text] }) }),
    ],
    [
      'a cause without end',
      () => {
        const error = Object.assign(new Error('x'), { input: text });
        error.cause = error;
        return error;
      },
    ],
  ])('%s is shown without what it was about, wherever it stands', (_what, act) => {
    const error = thrownBy(act);
    // JSON.parse quotes its beginning only.
    const beginning = text.slice(0, 9);
    expect(inspect(error, { depth: 9 })).toContain(beginning);
    for (const fields of [
      { err: error },
      { reason: error },
      { peers: [{ failed: { by: error } }] },
    ]) {
      // A text of our own is a field like any other.
      if (typeof error === 'string' && !('err' in fields)) continue;
      expect(logged(fields)).not.toContain(beginning);
    }
  });
});

it('a caller writes no line of its own into the log', async () => {
  const path = `/messages/${randomUUID()}%0a%7b%22level%22:30,%22msg%22:%22forged%22%7d`;
  await callRest(url, { method: 'GET', path }, { authorization: `Bearer ${token()}` });
  for (const line of lines) expect(line.match(/\n/g)?.length).toBe(1);
  expect(lines.map((line) => JSON.parse(line).msg)).not.toContain('forged');
});
