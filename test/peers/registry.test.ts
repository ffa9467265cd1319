/** What stands in Redis where an address of a process should be. */
import { Redis } from 'ioredis';
import { afterAll, expect, it, vi } from 'vitest';
import { createPeerRegistry } from '../../src/peers/registry.ts';
import { collectingLog } from '../conformance/support.ts';
import { openRedisServer, redisUrl, uniquePrefix } from '../support/redis.ts';

const prefix = uniquePrefix();
const redis = new Redis(redisUrl());
const server = openRedisServer(redisUrl(), prefix);
const registry = createPeerRegistry({ redis: server, tag: 'ours', log: collectingLog() });
afterAll(async () => {
  redis.disconnect();
  await registry.close();
  server.close();
});

it.each([
  ['::1 65535 k', { host: '::1', port: 65_535, key: 'k' }],
  ['node-1.example 1 k', { host: 'node-1.example', port: 1, key: 'k' }],
  // No URL can be made of these: the error that says so would carry a session's id into the log.
  ['10.0.0.7 65536 k', undefined],
  ['10.0.0.7 0 k', undefined],
  ['10.0.0.7/x 80 k', undefined],
  ['[::1] 80 k', undefined],
  ['10.0.0.7 80', undefined],
])('%j is %j', async (entry, address) => {
  await registry.announce({ host: '127.0.0.1', port: 1, key: 'k' });
  const tag = Buffer.from(entry).toString('hex');
  await redis.set(`${prefix}peer:${tag}`, entry, 'EX', 10);
  expect(await registry.find(tag)).toEqual(address);
});

it('asks again for an address in time, though the clock was set back', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  try {
    const key = `${prefix}peer:moved`;
    await redis.set(key, '10.0.0.7 80 k', 'EX', 60);
    expect(await registry.find('moved')).toMatchObject({ host: '10.0.0.7' });
    await redis.set(key, '10.0.0.8 80 k', 'EX', 60);
    vi.setSystemTime(Date.now() - 3_600_000);
    vi.advanceTimersByTime(5_000);
    expect(await registry.find('moved')).toMatchObject({ host: '10.0.0.8' });
  } finally {
    vi.useRealTimers();
  }
});
