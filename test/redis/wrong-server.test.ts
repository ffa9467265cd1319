/** A Redis that answers and is not the one we need, seen by every part that uses it. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkRedis } from '../../src/doctor/redis-check.ts';
import { ask, connected, startTestApp, type TestApp } from '../support/app.ts';
import { type OwnRedis, openRedisServer, startOwnRedis, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { once, waitFor } from '../support/wait.ts';

const scene = usePeople();
let primary: OwnRedis;
let other: OwnRedis;
let admin: Redis;
let conversation_id: string;
const apps: TestApp[] = [];

beforeAll(async () => {
  [primary, other] = await Promise.all([startOwnRedis(), startOwnRedis()]);
  admin = new Redis(primary.url);
  conversation_id = await scene.conversation();
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.stop()));
  await admin.call('REPLICAOF', 'NO', 'ONE');
});
afterAll(async () => {
  admin.disconnect();
  await Promise.all([primary.stop(), other.stop()]);
});

async function start(url: string): Promise<TestApp> {
  const env = { REDIS_URL: url, REDIS_PREFIX: uniquePrefix(), RATE_LIMIT: 'on' };
  const app = await startTestApp(scene.db.url, env);
  apps.push(app);
  return app;
}

interface Ready {
  status: number;
  redis: string | undefined;
}

async function ready(app: TestApp): Promise<Ready> {
  const answer = await fetch(`${app.url}/ready`);
  const body: { data?: { checks: Record<string, string> } } = JSON.parse(await answer.text());
  return { status: answer.status, redis: body.data?.checks.redis };
}

const says = (app: TestApp, words: RegExp | string) =>
  waitFor(async () => new RegExp(words).test((await ready(app)).redis ?? ''), {
    what: `/ready to say ${words}`,
  });

/** Messages and joins work with or without Redis. */
async function chats(app: TestApp): Promise<void> {
  const client = app.connect(scene.alice.id);
  await connected(client);
  expect(await ask(client, 'join_conversation', { conversation_id })).toMatchObject({
    success: true,
  });
  const heard = once<[{ content: string }]>(client, 'new_message', 5_000);
  await ask(client, 'send_message', { conversation_id, content: 'still here' });
  expect((await heard)[0].content).toBe('still here');
  client.close();
}

describe('a primary that is demoted with its connections alive', () => {
  it('is noticed, named and left until it is one again', async () => {
    const app = await start(primary.url);
    await says(app, /^ok$/);
    await admin.call('REPLICAOF', '127.0.0.1', String(other.port));
    await says(app, /is a replica/);
    await chats(app);
    expect((await ready(app)).status).toBe(200);
    const finding = await checkRedis({ url: primary.url, prefix: 'x:', timeoutMs: 2_000 });
    expect(finding).toMatchObject({ found: expect.stringMatching(/^is a replica/) });
    await admin.call('REPLICAOF', 'NO', 'ONE');
    await says(app, /^ok$/);
    await chats(app);
  });
});

describe('a server that comes back while much is asked of it', () => {
  it('is taken back: what fails before it is there is not held against it', async () => {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: primary.port });
    // As far away as another data centre.
    proxy.delay(20);
    const server = openRedisServer(proxy.through(primary.url), uniquePrefix());
    const asking = setInterval(() => {
      server.commands.get('anything').catch((error: unknown) => server.report(error));
    }, 5);
    try {
      await waitFor(() => server.status().ok, { what: 'the server to be up' });
      proxy.killAll();
      await waitFor(() => !server.status().ok, { what: 'the loss to be noticed' });
      await waitFor(() => server.status().ok, { what: 'the server to be up again' });
    } finally {
      clearInterval(asking);
      server.close();
      await proxy.stop();
    }
  });
});

describe('a node of a cluster', () => {
  it('that holds none of the keys, or only some, is named', async () => {
    const [first, second] = await Promise.all([
      startOwnRedis(['--cluster-enabled', 'yes']),
      startOwnRedis(['--cluster-enabled', 'yes']),
    ]);
    const one = new Redis(first.url);
    const two = new Redis(second.url);
    try {
      const app = await start(first.url);
      await says(app, /node of a cluster that is down/);
      await one.call('CLUSTER', 'MEET', '127.0.0.1', String(second.port));
      await two.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await says(app, /node of a cluster and does not hold all keys .*MOVED/);
      await chats(app);
      const finding = await checkRedis({ url: first.url, prefix: 'x:', timeoutMs: 2_000 });
      expect(finding).toMatchObject({ found: expect.stringMatching(/MOVED/) });
    } finally {
      one.disconnect();
      two.disconnect();
      await Promise.all([first.stop(), second.stop()]);
    }
  });
});

describe('a server that refuses a plain write in words of its own', () => {
  it('is named, and no start waits for it', async () => {
    const own = await startOwnRedis(['--rename-command', 'SET', '']);
    try {
      const app = await start(own.url);
      await says(app, /refuses a trial write .*unknown command/);
      await chats(app);
    } finally {
      await own.stop();
    }
  });
});

describe('a server that is right and takes no writes', () => {
  it('still carries messages, and what it lacks is named', async () => {
    const app = await start(primary.url);
    await says(app, /^ok$/);
    await admin.call('CONFIG', 'SET', 'maxmemory', '1');
    try {
      await says(app, /^OOM /);
      await chats(app);
    } finally {
      await admin.call('CONFIG', 'SET', 'maxmemory', '0');
    }
    await says(app, /^ok$/);
  });
});

describe('a user who may not do what we need', () => {
  it.each([
    [
      'the wrong password',
      ['on', '>pass', '~*', '&*', '+@all'],
      'user:wrong',
      /does not take this user/,
    ],
    ['no password', ['on', '>pass', '~*', '&*', '+@all'], '', /wants a password|NOAUTH/],
    ['no key', ['on', '>pass', '&*', '+@all'], 'user:pass', /does not permit.*NOPERM/],
    ['no channel', ['on', '>pass', '~*', '+@all'], 'user:pass', /NOPERM/],
    ['no PUBLISH', ['on', '>pass', '~*', '&*', '+@all', '-publish'], 'user:pass', /NOPERM/],
  ])('%s: is named', async (what, rules, credentials, words) => {
    await admin.call('ACL', 'SETUSER', 'user', 'reset', ...rules);
    if (what === 'no password') await admin.call('CONFIG', 'SET', 'requirepass', 'secret');
    try {
      const at = credentials === '' ? '' : `${credentials}@`;
      const url = `redis://${at}127.0.0.1:${primary.port}`;
      const app = await start(url);
      await says(app, words);
      await chats(app);
      const finding = await checkRedis({ url, prefix: 'x:', timeoutMs: 2_000 });
      expect(finding).toMatchObject({ found: expect.stringMatching(/NOPERM|NOAUTH|WRONGPASS/) });
    } finally {
      await admin.call('CONFIG', 'SET', 'requirepass', '');
    }
  });

  it('one that may not ask: INFO, CONFIG, ROLE and CLIENT refused, and all is well', async () => {
    await admin.call(
      'ACL',
      'SETUSER',
      'user',
      'reset',
      'on',
      '>pass',
      '~*',
      '&*',
      '+@all',
      '-info',
      '-config',
      '-role',
      '-client',
    );
    const url = `redis://user:pass@127.0.0.1:${primary.port}`;
    const app = await start(url);
    await says(app, /^ok$/);
    await chats(app);
    expect(await checkRedis({ url, prefix: 'x:', timeoutMs: 2_000 })).toMatchObject({
      found: expect.stringMatching(/^version not told, echo/),
    });
  });
});
