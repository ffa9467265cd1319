// Redis for test files: the shared server with a key prefix of one's own, or a private server for
// tests that break it.

import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { createRedisServer, type RedisServer } from '../../src/redis/server.ts';
import { createBeat } from '../../src/shared/beat.ts';

export { type OwnRedis, startOwnRedis } from './redis-server.ts';

/** The shared Redis of this run. Use a `uniquePrefix()`, and never flush or kill it. */
export function redisUrl(): string {
  return inject('redisUrl');
}

/** A prefix for keys and channels that no other test file uses, such as `test:3f9c…:`. */
export function uniquePrefix(): string {
  return `test:${randomBytes(8).toString('hex')}:`;
}

/** The server of a process, as its parts share it; whoever opens it closes it. */
export function openRedisServer(url: string, prefix: string): RedisServer {
  const log = { info: () => undefined, warn: () => undefined };
  const nodeId = randomBytes(6).toString('hex');
  return createRedisServer({ url, prefix, nodeId, beat: createBeat(), log });
}

/** For tests of what else can go wrong: nobody doubts this server. */
export function trustedServer(
  url: string,
): Pick<RedisServer, 'open' | 'status' | 'onUp' | 'onDown'> {
  return {
    open: (deps) => createRedisConnection({ url, ...deps }),
    status: () => ({ ok: true }),
    onUp: () => undefined,
    onDown: () => undefined,
  };
}
