/** What only the Redis bus promises: starting without Redis, bounds, garbage, other nodes' losses. */
import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { down, probesGoRound, quick, reaches, up, useOwnRedis } from './redis-nodes.ts';

const redis = useOwnRedis();
const { start, pair, startProxy } = redis;

describe('a node', () => {
  test('starts without Redis, says so, and comes up by itself later', async () => {
    await redis.server.kill('SIGKILL');
    const [a, b] = [start('node-a', { ...quick, commandTimeoutMs: 500 }), start('node-b')];
    expect(a.bus.status()).toEqual({ ok: false, kind: 'redis', reason: 'connecting' });
    await expect(a.bus.subscribe('room')).rejects.toThrow('not subscribed within 500 ms');
    expect(a.bus.status()).toMatchObject({ ok: false });
    expect(Reflect.get(a.bus.status(), 'reason')).toContain('ECONNREFUSED');
    await redis.server.restart();
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
    proxy.swallow(true);
    a.bus.publish('room', Buffer.from('into the void'));
    await down(a);
    a.bus.publish('room', Buffer.from('dropped'));
    expect(b.bus.status().ok).toBe(true);
    proxy.swallow(false);
    await waitFor(() => b.gaps > 0, { what: 'the other node to be told' });
    await probesGoRound(a, b);
    // Once for what it says, and perhaps once because it had vanished.
    expect(b.gaps).toBeLessThanOrEqual(2);
    expect(b.heard).toEqual([]);
    expect(b.bus.stats().linksUp).toBe(1);
    expect(a.bus.stats().dropped).toMatchObject({ linkDown: 1, unconfirmed: 1 });
  });

  test('subscribes thousands of topics again, in bounded commands', async () => {
    const [a, b] = await pair({ ...quick, subscribeChunkTopics: 100 });
    const topics = Array.from({ length: 3050 }, (_, index) => `room-${index}`);
    await Promise.all(topics.map((topic) => b.bus.subscribe(topic)));
    const found = down(a, b);
    await redis.server.kill('SIGKILL');
    await found;
    await redis.server.restart();
    await up(a, b);
    expect(await redis.admin.pubsub('CHANNELS', `${redis.prefix}t:*`)).toHaveLength(topics.length);
    const calls = /cmdstat_subscribe:calls=(\d+)/.exec(await redis.admin.info('commandstats'));
    // 31 commands for the topics, one for the own channels of either node; an attempt may repeat.
    expect(Number(calls?.[1])).toBeGreaterThanOrEqual(33);
    expect(Number(calls?.[1])).toBeLessThan(100);
    await reaches(a, b, 'room-3049');
  });

  test('keeps a slow link: 200 ms late in either direction is not silence', async () => {
    const proxy = await startProxy();
    proxy.delay(200);
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
      for (const payload of garbage) await redis.admin.publish(redis.prefix + channel, payload);
    }
    // A forged echo, and an old one, prove nothing and harm nothing.
    for (const number of ['0', '1', '99', 'x']) {
      await redis.admin.publish(`${redis.prefix}p:node-b`, `node-b\n${number}`);
      await redis.admin.publish(`${redis.prefix}p:node-b`, `node-a\n${number}`);
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
    await redis.server.kill('SIGSTOP');
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
    await redis.server.kill('SIGCONT');
    await waitFor(() => a.gaps > 0 && b.gaps > 0, { what: 'both nodes to be told' });
    // What was taken arrived, in order; what was over the bound did not.
    await waitFor(() => b.heard.length === published, { what: 'what was taken' });
    expect(b.heard.map((one) => Number(one.slice(6)))).toEqual(
      Array.from({ length: published }, (_, index) => index),
    );
    await waitFor(() => a.bus.stats().pendingBytes === 0, { what: 'everything to be confirmed' });
  });

  test('that may not switch answers off publishes without', async () => {
    await redis.admin.call(
      'ACL',
      'SETUSER',
      'strict',
      'on',
      '>pass',
      '&*',
      '+@all',
      '-client|reply',
    );
    const [a, b] = [
      start('node-a', quick, `redis://strict:pass@127.0.0.1:${redis.server.port}`),
      start('node-b'),
    ];
    await up(a, b);
    await b.bus.subscribe('room');
    await reaches(a, b, 'room');
    expect(JSON.stringify(await redis.admin.call('ACL', 'LOG'))).toContain('client|reply');
    await waitFor(() => a.bus.stats().pendingBytes === 0, { what: 'everything to be confirmed' });
  });

  test('that Redis refuses says why, and comes up when it is let in', async () => {
    await redis.admin.call(
      'ACL',
      'SETUSER',
      'late',
      'reset',
      'on',
      '>pass',
      '+@all',
      '-subscribe',
      '&*',
    );
    const a = start('node-a', quick, `redis://late:pass@127.0.0.1:${redis.server.port}`);
    await waitFor(() => String(Reflect.get(a.bus.status(), 'reason')).includes('NOPERM'), {
      what: 'the refusal',
    });
    await redis.admin.call('ACL', 'SETUSER', 'late', '+subscribe');
    await up(a);
  });

  test('leaves no connection behind when it is closed, in whatever state', async () => {
    const [a] = await pair();
    start('node-c'); // still connecting
    expect(await busConnections()).not.toEqual([]);
    a.bus.publish('room', Buffer.from('x'));
    await redis.closeAll();
    await waitFor(async () => (await busConnections()).length === 0, {
      what: 'the connections to be gone',
    });
  });

  test('lets go of its sockets at once when it is closed, even if Redis is silent', async () => {
    const sockets = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    await waitFor(() => redis.admin.status === 'ready', { what: 'the admin connection' });
    const before = sockets();
    const a = start('node-a');
    await up(a);
    expect(sockets()).toBe(before + 2);
    await redis.server.kill('SIGSTOP');
    await a.bus.close();
    // ioredis alone would wait two seconds for the other side to say goodbye.
    await waitFor(() => sockets() === before, { what: 'the sockets to be gone', timeoutMs: 1500 });
  });

  async function busConnections(): Promise<string[]> {
    const list = String(await redis.admin.client('LIST'));
    return list.split('\n').filter((line) => line.includes('name=bus:'));
  }
});
