/** What the Redis bus does while its link is broken, and once it is not. */
import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { down, type Node, probesGoRound, quick, reaches, up, useOwnRedis } from './redis-nodes.ts';

/** What the promise says of detection, with room for a busy machine. */
const DETECTION_MS = 2000;

const redis = useOwnRedis();
const { start, pair, startProxy } = redis;

describe('a link that breaks is found down within 2 s, made anew, and reported as a gap', () => {
  async function comesBackWhole(a: Node, b: Node): Promise<void> {
    await up(a, b);
    await waitFor(() => a.gaps > 0 && b.gaps > 0, { what: 'the gap to be reported' });
    await reaches(a, b, 'room');
    await reaches(b, a, 'room');
    // A further notice would come with a later probe: two more have gone round.
    await probesGoRound(a, b);
    for (const node of [a, b]) {
      // Once for its own link, and perhaps once because the other one tells of its loss.
      expect(node.gaps).toBeLessThanOrEqual(2);
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
    await redis.server.kill('SIGKILL');
    expect(await found).toBeLessThan(DETECTION_MS);
    expect(a.bus.status()).toMatchObject({ ok: false, kind: 'redis' });
    await redis.server.restart();
    await comesBackWhole(a, b);
  });

  test('Redis stopped (SIGSTOP), which closes nothing', async () => {
    const [a, b] = await joined();
    await redis.server.kill('SIGSTOP');
    expect(await down(a, b)).toBeLessThan(DETECTION_MS);
    expect(a.bus.status()).toMatchObject({ ok: false });
    // Long enough for attempts against the silent server to fail.
    await waitFor(() => String(Reflect.get(a.bus.status(), 'reason')).includes('no answer to'), {
      what: 'an attempt to be given up',
    });
    await redis.server.kill('SIGCONT');
    await comesBackWhole(a, b);
  });

  test('CLIENT KILL TYPE pubsub', async () => {
    const [a, b] = await joined();
    const found = down(a, b);
    expect(await redis.admin.client('KILL', 'TYPE', 'pubsub')).toBe(2);
    expect(await found).toBeLessThan(DETECTION_MS);
    await comesBackWhole(a, b);
  });

  test('the publishing connection killed, the subscribing one alive', async () => {
    const [a, b] = await joined();
    const found = down(a, b);
    await redis.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(await found).toBeLessThan(DETECTION_MS);
    await comesBackWhole(a, b);
  });

  test('a half-open link, over which nothing passes in either direction', async () => {
    const proxy = await startProxy();
    const [a, b] = [start('node-a', {}, proxy.url), start('node-b', {}, proxy.url)];
    await up(a, b);
    await Promise.all([a.bus.subscribe('room'), b.bus.subscribe('room')]);
    proxy.swallow(true);
    expect(await down(a, b)).toBeLessThan(DETECTION_MS);
    proxy.swallow(false);
    await comesBackWhole(a, b);
  });
});

describe('while the link is down', () => {
  test('publish drops, counts, and neither throws nor keeps anything', async () => {
    const [a, b] = await pair();
    await b.bus.subscribe('room');
    const found = down(a, b);
    await redis.server.kill('SIGKILL');
    await found;
    for (let index = 0; index < 1000; index += 1) a.bus.publish('room', Buffer.alloc(10_000));
    expect(a.bus.stats().dropped.linkDown).toBe(1000);
    expect(a.bus.stats().pendingBytes).toBe(0);
    await redis.server.restart();
    await up(a, b);
    await reaches(a, b, 'room');
    expect(b.heard).toHaveLength(1);
  });

  test('subscribe rejects in time, and the topic is heard once the link is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 800 });
    const found = down(a, b);
    await redis.server.kill('SIGKILL');
    await found;
    const since = performance.now();
    await expect(b.bus.subscribe('room')).rejects.toThrow('not subscribed within 800 ms');
    expect(performance.now() - since).toBeLessThan(DETECTION_MS);
    await redis.server.restart();
    await up(a, b);
    await reaches(a, b, 'room');
  });

  test('a subscribe that is under way is kept and resolves when the link is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 15_000 });
    const found = down(a, b);
    await redis.server.kill('SIGKILL');
    await found;
    const subscribed = b.bus.subscribe('room');
    await redis.server.restart();
    await subscribed;
    await up(a, b);
    await reaches(a, b, 'room');
  });

  test('wishes change, and the last one holds when it is back', async () => {
    const [a, b] = await pair({ ...quick, commandTimeoutMs: 15_000 });
    await Promise.all([b.bus.subscribe('left'), b.bus.subscribe('kept')]);
    const found = down(a, b);
    await redis.server.kill('SIGKILL');
    await found;
    b.bus.unsubscribe('left');
    b.bus.unsubscribe('kept');
    const refused = b.bus.subscribe('never');
    b.bus.unsubscribe('never');
    await expect(refused).rejects.toThrow('unsubscribed');
    const kept = b.bus.subscribe('kept');
    expect(b.bus.stats().topics).toBe(1);
    await redis.server.restart();
    await kept;
    await up(a, b);
    a.bus.publish('left', Buffer.from('x'));
    a.bus.publish('never', Buffer.from('x'));
    await reaches(a, b, 'kept');
    expect(b.heard).toHaveLength(1);
    expect(await redis.admin.pubsub('CHANNELS', `${redis.prefix}t:*`)).toEqual([
      `${redis.prefix}t:kept`,
    ]);
  });
});
