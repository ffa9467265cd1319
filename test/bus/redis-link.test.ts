/** What the Redis bus does when its link breaks. The server is the test's own, to be broken. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRedisBus, type RedisBus, type RedisBusLimits } from '../../src/bus/redis-bus.ts';
import { type OwnRedis, startOwnRedis, uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** What the promise says of detection, with room for a busy machine. */
const DETECTION_MS = 2000;

/** Probes often, so that what comes with a probe comes soon; the promised times stay. */
const quick: Partial<RedisBusLimits> = { probeIntervalMs: 100 };

interface Node {
  bus: RedisBus;
  heard: string[];
  gaps: number;
  log: { level: string; fields: object; message: string }[];
}

let server: OwnRedis;
let admin: Redis;
let prefix: string;
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  server = await startOwnRedis();
});
beforeEach(() => {
  prefix = uniquePrefix();
  admin = new Redis(server.url, { retryStrategy: () => 50 });
  admin.on('error', () => undefined); // the server is killed on purpose
});
afterEach(async () => {
  await server.kill('SIGCONT');
  await Promise.all(open.splice(0).map((one) => one.close()));
  admin.disconnect();
});
afterAll(() => server.stop());

function start(nodeId: string, limits = quick, url = server.url): Node {
  const log: Node['log'] = [];
  const line = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields, message });
  };
  const bus = createRedisBus({
    url,
    prefix,
    nodeId,
    log: { info: line('info'), warn: line('warn'), error: line('error') },
    // Nothing is held back, so that a notice too many shows.
    limits: { gapIntervalMs: 0, ...limits },
  });
  const node: Node = { bus, heard: [], gaps: 0, log };
  bus.onMessage((topic, payload) => node.heard.push(`${topic}: ${Buffer.from(payload)}`));
  bus.onGap(() => {
    node.gaps += 1;
  });
  open.push(bus);
  return node;
}

async function up(...nodes: Node[]): Promise<void> {
  await waitFor(() => nodes.every((node) => node.bus.status().ok), { what: 'the link to be up' });
}

/** How long it took, in milliseconds, until the node noticed. */
async function down(...nodes: Node[]): Promise<number> {
  const since = performance.now();
  await waitFor(() => nodes.every((node) => !node.bus.status().ok), {
    what: 'the link to be found down',
    timeoutMs: 10_000,
  });
  return performance.now() - since;
}

async function pair(limits = quick): Promise<[Node, Node]> {
  const nodes: [Node, Node] = [start('node-a', limits), start('node-b', limits)];
  await up(...nodes);
  return nodes;
}

/** A payload from one node to the other arrives: proof that the topic is heard. */
async function reaches(from: Node, to: Node, topic: string): Promise<void> {
  const text = `reached ${Math.random()}`;
  from.bus.publish(topic, Buffer.from(text));
  await waitFor(() => to.heard.includes(`${topic}: ${text}`), { what: `${topic} to be heard` });
}

async function startProxy(): Promise<TcpProxy & { url: string }> {
  const proxy = await startTcpProxy(server.port);
  open.push({ close: () => proxy.stop() });
  return { ...proxy, url: `redis://127.0.0.1:${proxy.port}` };
}

describe('a link that breaks is found down within 2 s, made anew, and reported as one gap', () => {
  async function comesBackWhole(a: Node, b: Node): Promise<void> {
    await up(a, b);
    await waitFor(() => a.gaps > 0 && b.gaps > 0, { what: 'the gap to be reported' });
    await reaches(a, b, 'room');
    await reaches(b, a, 'room');
    // A second notice would come with a later probe: two more have gone round.
    await probesGoRound(a, b);
    expect([a.gaps, b.gaps]).toEqual([1, 1]);
    for (const node of [a, b]) {
      expect(node.bus.stats().linksUp).toBe(2);
      // One line for each change, however many attempts it took.
      expect(node.log.map((line) => line.message)).toEqual([
        'the Redis link is up',
        'the Redis link is down',
        'the Redis link is up',
      ]);
    }
  }

  async function joined(): Promise<[Node, Node]> {
    const [a, b] = await pair({}); // as in production
    await Promise.all([a.bus.subscribe('room'), b.bus.subscribe('room')]);
    await reaches(a, b, 'room');
    // A payload that Redis has not confirmed would rightly be one more reason for a gap.
    await waitFor(() => a.bus.stats().pendingBytes === 0, { what: 'the confirmation' });
    return [a, b];
  }

  test('Redis killed and started again', async () => {
    const [a, b] = await joined();
    const found = down(a, b);
    await server.kill('SIGKILL');
    expect(await found).toBeLessThan(DETECTION_MS);
    expect(a.bus.status()).toMatchObject({ ok: false, kind: 'redis' });
    await server.restart();
    await comesBackWhole(a, b);
  });

  test('Redis stopped (SIGSTOP), which closes nothing', async () => {
    const [a, b] = await joined();
    await server.kill('SIGSTOP');
    expect(await down(a, b)).toBeLessThan(DETECTION_MS);
    expect(a.bus.status()).toMatchObject({ ok: false });
    // Long enough for attempts against the silent server to fail.
    await waitFor(() => String(Reflect.get(a.bus.status(), 'reason')).includes('no answer to'), {
      what: 'an attempt to be given up',
    });
    await server.kill('SIGCONT');
    await comesBackWhole(a, b);
  });

  test('CLIENT KILL TYPE pubsub', async () => {
    const [a, b] = await joined();
    const found = down(a, b);
    expect(await admin.client('KILL', 'TYPE', 'pubsub')).toBe(2);
    expect(await found).toBeLessThan(DETECTION_MS);
    await comesBackWhole(a, b);
  });

  test('the publishing connection killed, the subscribing one alive', async () => {
    const [a, b] = await joined();
    const found = down(a, b);
    await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(await found).toBeLessThan(DETECTION_MS);
    await comesBackWhole(a, b);
  });

  test('a half-open link, over which nothing passes in either direction', async () => {
    const proxy = await startProxy();
    const [a, b] = [start('node-a', {}, proxy.url), start('node-b', {}, proxy.url)];
    await up(a, b);
    await Promise.all([a.bus.subscribe('room'), b.bus.subscribe('room')]);
    proxy.setSwallowing(true);
    expect(await down(a, b)).toBeLessThan(DETECTION_MS);
    proxy.setSwallowing(false);
    await comesBackWhole(a, b);
  });
});

describe('while the link is down', () => {
  test('publish drops, counts, and neither throws nor keeps anything', async () => {
    const [a, b] = await pair();
    await b.bus.subscribe('room');
    const found = down(a, b);
    await server.kill('SIGKILL');
    await found;
    for (let index = 0; index < 1000; index += 1) a.bus.publish('room', Buffer.alloc(10_000));
    expect(a.bus.stats().dropped.linkDown).toBe(1000);
    expect(a.bus.stats().pendingBytes).toBe(0);
    await server.restart();
    await up(a, b);
    await reaches(a, b, 'room');
    expect(b.heard).toHaveLength(1);
  });

  test('subscribe rejects in time, and the topic is heard once the link is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 800 });
    const found = down(a, b);
    await server.kill('SIGKILL');
    await found;
    const since = performance.now();
    await expect(b.bus.subscribe('room')).rejects.toThrow('not subscribed within 800 ms');
    expect(performance.now() - since).toBeLessThan(DETECTION_MS);
    await server.restart();
    await up(a, b);
    await reaches(a, b, 'room');
  });

  test('a subscribe that is under way is kept and resolves when the link is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 15_000 });
    const found = down(a, b);
    await server.kill('SIGKILL');
    await found;
    const subscribed = b.bus.subscribe('room');
    await server.restart();
    await subscribed;
    await up(a, b);
    await reaches(a, b, 'room');
  });

  test('wishes change, and the last one holds when it is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 15_000 });
    await Promise.all([b.bus.subscribe('left'), b.bus.subscribe('kept')]);
    const found = down(a, b);
    await server.kill('SIGKILL');
    await found;
    b.bus.unsubscribe('left');
    b.bus.unsubscribe('kept');
    const refused = b.bus.subscribe('never');
    b.bus.unsubscribe('never');
    await expect(refused).rejects.toThrow('unsubscribed');
    const kept = b.bus.subscribe('kept');
    expect(b.bus.stats().topics).toBe(1);
    await server.restart();
    await kept;
    await up(a, b);
    a.bus.publish('left', Buffer.from('x'));
    a.bus.publish('never', Buffer.from('x'));
    await reaches(a, b, 'kept');
    expect(b.heard).toHaveLength(1);
    expect(await admin.pubsub('CHANNELS', `${prefix}t:*`)).toEqual([`${prefix}t:kept`]);
  });
});

describe('a node', () => {
  test('starts without Redis, says so, and comes up by itself later', async () => {
    await server.kill('SIGKILL');
    const [a, b] = [start('node-a', { ...quick, commandTimeoutMs: 500 }), start('node-b')];
    expect(a.bus.status()).toEqual({ ok: false, kind: 'redis', reason: 'connecting' });
    await expect(a.bus.subscribe('room')).rejects.toThrow('not subscribed within 500 ms');
    expect(a.bus.status()).toMatchObject({ ok: false });
    expect(Reflect.get(a.bus.status(), 'reason')).toContain('ECONNREFUSED');
    await server.restart();
    await up(a, b);
    await reaches(b, a, 'room');
    await probesGoRound(a, b);
    expect(a.gaps).toBe(1);
    expect(a.log.map((line) => line.message)).toEqual([
      'the Redis link is down',
      'the Redis link is up',
    ]);
  });

  test('tells the others when payloads of its own were lost, though their links were fine', async () => {
    const proxy = await startProxy();
    const [a, b] = [start('node-a', quick, proxy.url), start('node-b')];
    await up(a, b);
    await b.bus.subscribe('room');
    proxy.setSwallowing(true);
    a.bus.publish('room', Buffer.from('into the void'));
    await down(a);
    a.bus.publish('room', Buffer.from('dropped'));
    expect(b.bus.status().ok).toBe(true);
    proxy.setSwallowing(false);
    await waitFor(() => b.gaps > 0, { what: 'the other node to be told' });
    await probesGoRound(a, b);
    expect(b.gaps).toBe(1);
    expect(b.heard).toEqual([]);
    expect(b.bus.stats().linksUp).toBe(1);
    expect(a.bus.stats().dropped).toMatchObject({ linkDown: 1, unconfirmed: 1 });
  });

  test('subscribes thousands of topics again, in bounded commands', async () => {
    const [a, b] = await pair({ ...quick, subscribeChunkTopics: 100 });
    const topics = Array.from({ length: 3050 }, (_, index) => `room-${index}`);
    await Promise.all(topics.map((topic) => b.bus.subscribe(topic)));
    const found = down(a, b);
    await server.kill('SIGKILL');
    await found;
    await server.restart();
    await up(a, b);
    expect(await admin.pubsub('CHANNELS', `${prefix}t:*`)).toHaveLength(topics.length);
    const calls = /cmdstat_subscribe:calls=(\d+)/.exec(await admin.info('commandstats'));
    // 31 commands for the topics, one for the own channels of either node; an attempt may repeat.
    expect(Number(calls?.[1])).toBeGreaterThanOrEqual(33);
    expect(Number(calls?.[1])).toBeLessThan(100);
    await reaches(a, b, 'room-3049');
  });

  test('keeps a slow link: 200 ms late in either direction is not silence', async () => {
    const proxy = await startProxy();
    proxy.setDelayMs(200);
    const [a, b] = [start('node-a', quick, proxy.url), start('node-b', quick, proxy.url)];
    await up(a, b);
    await b.bus.subscribe('room');
    for (let round = 0; round < 3; round += 1) {
      await reaches(a, b, 'room');
      await probesGoRound(a, b);
    }
    expect(a.bus.stats().roundTripMs).toBeGreaterThan(350);
    expect([a.bus.stats().linksUp, b.bus.stats().linksUp]).toEqual([1, 1]);
    expect([a.gaps, b.gaps]).toEqual([0, 0]);
  });

  test('does not take a stall of its own process for silence', async () => {
    const a = start('node-a', { probeIntervalMs: 100, probeTimeoutMs: 800 });
    await up(a);
    for (let round = 0; round < 3; round += 1) {
      // A probe is on its way; its echo will be overdue, but lie unread in the socket.
      while (a.bus.stats().pendingBytes === 0) await new Promise((next) => setImmediate(next));
      const until = performance.now() + 1000;
      while (performance.now() < until) {
        // Nothing else runs in this process.
      }
      await probesGoRound(a);
    }
    expect(a.bus.stats().linksUp).toBe(1);
  });

  test('counts garbage on its channels and goes on', async () => {
    const [a, b] = await pair({ ...quick, maxPayloadBytes: 1000 });
    await b.bus.subscribe('room');
    const garbage = [
      '',
      '\n',
      'no newline',
      'x'.repeat(100_000),
      `${'long-node-id'.repeat(20)}\npayload`,
      `node-a\n${'x'.repeat(1001)}`,
    ];
    for (const channel of ['t:room', 'p:node-b', 'g']) {
      for (const payload of garbage) await admin.publish(prefix + channel, payload);
    }
    // A forged echo, and an old one, prove nothing and harm nothing.
    for (const number of ['0', '1', '99', 'x']) {
      await admin.publish(`${prefix}p:node-b`, `node-b\n${number}`);
      await admin.publish(`${prefix}p:node-b`, `node-a\n${number}`);
    }
    await reaches(a, b, 'room');
    await probesGoRound(a, b);
    expect(b.heard).toHaveLength(1);
    expect(b.bus.stats().garbage).toBe(garbage.length * 3);
    expect(b.bus.stats().linksUp).toBe(1);
  });

  test('survives a receiver and a gap listener that throw', async () => {
    const [a, b] = await pair();
    const heard: string[] = [];
    b.bus.onMessage((_topic, payload) => {
      heard.push(String(Buffer.from(payload)));
      throw new Error('receiver');
    });
    b.bus.onGap(() => {
      throw new Error('listener');
    });
    await b.bus.subscribe('room');
    a.bus.publish('room', Buffer.from('1'));
    a.bus.publish('room', Buffer.from('2'));
    await waitFor(() => heard.length === 2, { what: 'both payloads' });
    a.bus.publish('room', Buffer.alloc(2_000_000)); // too large: everyone is told of a gap
    await waitFor(() => b.bus.stats().receiverErrors === 3, { what: 'the third exception' });
    a.bus.publish('room', Buffer.from('still here'));
    await waitFor(() => heard.includes('still here'), { what: 'a payload after the exceptions' });
    expect(b.bus.stats().linksUp).toBe(1);
  });

  test('drops above its bound of unconfirmed bytes, and everyone is told of a gap', async () => {
    const limits = {
      maxPendingBytes: 12_000_000, // more than the sockets between them hold
      probeTimeoutMs: 20_000,
      commandTimeoutMs: 20_000,
    };
    const [a, b] = await pair(limits);
    await b.bus.subscribe('room');
    await server.kill('SIGSTOP');
    let peakBytes = 0;
    for (let index = 0; index < 2000; index += 1) {
      a.bus.publish('room', Buffer.from(String(index).padEnd(12_000)));
      peakBytes = Math.max(peakBytes, a.bus.stats().pendingBytes);
    }
    const { published, dropped } = a.bus.stats();
    expect(dropped.overBound).toBeGreaterThan(700);
    expect(published + dropped.overBound).toBe(2000);
    expect(peakBytes).toBeLessThanOrEqual(limits.maxPendingBytes);
    expect(peakBytes).toBeGreaterThan(limits.maxPendingBytes * 0.9);
    expect(a.bus.status().ok).toBe(true);
    await server.kill('SIGCONT');
    await waitFor(() => a.gaps > 0 && b.gaps > 0, { what: 'both nodes to be told' });
    // What was taken arrived, in order; what was over the bound did not.
    await waitFor(() => b.heard.length === published, { what: 'what was taken' });
    expect(b.heard.map((one) => Number(one.slice(6)))).toEqual(
      Array.from({ length: published }, (_, index) => index),
    );
    await waitFor(() => a.bus.stats().pendingBytes === 0, { what: 'everything to be confirmed' });
  });

  test('that may not switch answers off publishes without', async () => {
    await admin.call('ACL', 'SETUSER', 'strict', 'on', '>pass', '&*', '+@all', '-client|reply');
    const [a, b] = [
      start('node-a', quick, `redis://strict:pass@127.0.0.1:${server.port}`),
      start('node-b'),
    ];
    await up(a, b);
    await b.bus.subscribe('room');
    await reaches(a, b, 'room');
    expect(JSON.stringify(await admin.call('ACL', 'LOG'))).toContain('client|reply');
    await waitFor(() => a.bus.stats().pendingBytes === 0, { what: 'everything to be confirmed' });
  });

  test('that Redis refuses says why, and comes up when it is let in', async () => {
    await admin.call('ACL', 'SETUSER', 'late', 'reset', 'on', '>pass', '+@all', '-subscribe', '&*');
    const a = start('node-a', quick, `redis://late:pass@127.0.0.1:${server.port}`);
    await waitFor(() => String(Reflect.get(a.bus.status(), 'reason')).includes('NOPERM'), {
      what: 'the refusal',
    });
    await admin.call('ACL', 'SETUSER', 'late', '+subscribe');
    await up(a);
  });

  test('leaves no connection behind when it is closed, in whatever state', async () => {
    const [a] = await pair();
    start('node-c'); // still connecting
    expect(await busConnections()).not.toEqual([]);
    a.bus.publish('room', Buffer.from('x'));
    await Promise.all(open.splice(0).map((one) => one.close()));
    await waitFor(async () => (await busConnections()).length === 0, {
      what: 'the connections to be gone',
    });
  });

  test('lets go of its sockets at once when it is closed, even if Redis is silent', async () => {
    const sockets = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    await waitFor(() => admin.status === 'ready', { what: 'the admin connection' });
    const before = sockets();
    const a = start('node-a');
    await up(a);
    expect(sockets()).toBe(before + 2);
    await server.kill('SIGSTOP');
    await a.bus.close();
    // ioredis alone would wait two seconds for the other side to say goodbye.
    await waitFor(() => sockets() === before, { what: 'the sockets to be gone', timeoutMs: 1500 });
  });

  async function busConnections(): Promise<string[]> {
    const list = String(await admin.client('LIST'));
    return list.split('\n').filter((line) => line.includes('name=bus:'));
  }
});

/** Two more probes of every node have come back. */
async function probesGoRound(...nodes: Node[]): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    const before = nodes.map((node) => node.bus.stats().roundTripMs);
    await waitFor(
      () => nodes.every((node, index) => node.bus.stats().roundTripMs !== before[index]),
      { what: 'a probe to go round' },
    );
  }
}
