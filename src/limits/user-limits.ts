/**
 * How much one person may do, counted over all nodes in Redis, or in this process when there is no
 * Redis or it is away: then a person may get the limit once on every node, which hurts nobody.
 *
 * No window outlasts its length, whatever clock is set back: here time is monotonic, and an expiry
 * that Redis's own clock has put off is made anew.
 */
import { LRUCache } from 'lru-cache';
import { MAX_REMEMBERED_SPENT, SHARED_COUNT_MS } from '../bounds/limits.ts';
import { ChatError } from '../chat/errors.ts';
import type { UserLimit } from '../chat/ports.ts';
import type { RedisServer } from '../redis/server.ts';
import { inTime } from '../shared/deadline.ts';
import { createFixedWindow } from './fixed-window.ts';

export interface UserLimitDeps {
  /** What is counted, as part of the Redis key and of the refusal. */
  name: string;
  limit: number;
  windowSeconds: number;
  /** Called for every refusal. */
  refused?: () => void;
  /** Where all nodes count; left out: this process counts alone. Nobody waits for a Redis that is away. */
  redis?: Pick<RedisServer, 'commands' | 'prefix' | 'status' | 'report'>;
}

/**
 * KEYS: the counter. ARGV: the window in milliseconds, and what to count. Returns the count with this
 * and the milliseconds until it starts anew.
 */
const COUNT = `
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
local left = redis.call('PTTL', KEYS[1])
local window = tonumber(ARGV[1])
if left < 0 or left > window then
  redis.call('PEXPIRE', KEYS[1], window)
  left = window
end
return {count, left}`;

/** One limit; what it counts does not mix with what another name counts. */
export function createUserLimit(deps: UserLimitDeps): UserLimit {
  const { name, limit, windowSeconds, redis } = deps;
  const windowMs = windowSeconds * 1000;
  const local = createFixedWindow(limit, windowMs);
  /** Until when people are over the limit, by `performance.now()`: Redis need not be asked again. */
  const spentUntilMs = new LRUCache<string, number>({ max: MAX_REMEMBERED_SPENT });
  /** The last call of each person that is still being counted, and how many are. */
  const counting = new Map<string, { tail: Promise<void>; calls: number }>();

  function refusal(afterMs: number): ChatError {
    deps.refused?.();
    const seconds = Math.max(1, Math.ceil(afterMs / 1000));
    return new ChatError('rate_limited', `Too many ${name}; slow down.`, undefined, seconds);
  }

  /** How long the person has to wait; 0: this one is within the limit; undefined: nobody knows. */
  async function countShared(
    { commands, prefix }: NonNullable<typeof redis>,
    userId: string,
    units: number,
  ) {
    const waitMs = (spentUntilMs.get(userId) ?? 0) - performance.now();
    if (waitMs > 0) return waitMs;
    const key = `${prefix}limit:${name}:${userId}`;
    const answer = await inTime(commands.eval(COUNT, 1, key, windowMs, units), SHARED_COUNT_MS);
    if (answer === undefined) return undefined;
    const [count, leftMs] = Array.isArray(answer) ? answer.map(Number) : [];
    if (count === undefined || leftMs === undefined) throw new Error('Redis counted nothing');
    if (count <= limit) return 0;
    spentUntilMs.set(userId, performance.now() + leftMs);
    return Math.max(1, leftMs);
  }

  async function count(
    userId: string,
    units: number,
    before: Promise<void> | undefined,
  ): Promise<void> {
    await before?.catch(() => undefined);
    const sharedWaitMs = redis?.status().ok
      ? await countShared(redis, userId, units).catch((error: unknown) => redis.report(error))
      : undefined;
    const waitMs =
      sharedWaitMs ??
      (local.take(userId, units) ? 0 : Math.max(1, local.retryAfterSeconds() * 1000));
    if (waitMs > 0) throw refusal(waitMs);
  }

  return {
    async consume(userId, units = 1) {
      const before = counting.get(userId);
      // With so many waiting at once this one is over the limit whatever Redis will say of them.
      if (before !== undefined && before.calls >= limit) throw refusal(0);
      const mine = count(userId, units, before?.tail);
      const entry = before ?? { tail: mine, calls: 0 };
      entry.tail = mine;
      entry.calls += 1;
      counting.set(userId, entry);
      try {
        await mine;
      } finally {
        entry.calls -= 1;
        if (entry.calls === 0) counting.delete(userId);
      }
    },
  };
}
