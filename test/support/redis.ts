// Redis for test files: the shared server with a key prefix of one's own, or a private server for
// tests that break it.

import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';

export { type OwnRedis, startOwnRedis } from './redis-server.ts';

/** The shared Redis of this run. Use a `uniquePrefix()`, and never flush or kill it. */
export function redisUrl(): string {
  return inject('redisUrl');
}

/** A prefix for keys and channels that no other test file uses, such as `test:3f9c…:`. */
export function uniquePrefix(): string {
  return `test:${randomBytes(8).toString('hex')}:`;
}
