/** What stands in Redis where an address of a process should be. */
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { createPeerRegistry } from '../../src/peers/registry.ts';
import { collectingLog } from '../conformance/support.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';

const prefix = uniquePrefix();
const redis = new Redis(redisUrl());
const registry = createPeerRegistry({ url: redisUrl(), prefix, tag: 'ours', log: collectingLog() });
afterAll(async () => {
  redis.disconnect();
  await registry.close();
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
