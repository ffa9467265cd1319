/**
 * How much one person may do, counted over all nodes in Redis, or in this process when there is no
 * Redis or it is away: then a person may get the limit once on every node, which hurts nobody.
 */
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { ChatError } from '../chat/errors.ts';
import type { UserLimit } from '../chat/ports.ts';

export interface UserLimitOptions {
  /** What is counted, as part of the Redis key and of the refusal. */
  name: string;
  limit: number;
  windowSeconds: number;
  /** Told of every refusal. */
  refused?: () => void;
  /** Left out: this process alone. `isUp` spares callers the wait for a Redis that is away. */
  redis?: { client: Redis; prefix: string; isUp: () => boolean };
}

export function createUserLimit(options: UserLimitOptions): UserLimit {
  const { name, limit, windowSeconds, redis } = options;
  const local = new RateLimiterMemory({ points: limit, duration: windowSeconds });
  const shared =
    redis === undefined
      ? undefined
      : new RateLimiterRedis({
          storeClient: redis.client,
          keyPrefix: `${redis.prefix}limit:${name}`,
          points: limit,
          duration: windowSeconds,
          // Who is over the limit is not asked about again until the window ends.
          inMemoryBlockOnConsumed: limit + 1,
          insuranceLimiter: local,
          rejectIfRedisNotReady: true,
        });

  /** The last call of each person that is still being counted, and how many are. */
  const counting = new Map<string, { tail: Promise<void>; calls: number }>();

  function refusal(afterMs: number): ChatError {
    options.refused?.();
    const seconds = Math.max(1, Math.ceil(afterMs / 1000));
    return new ChatError('rate_limited', `Too many ${name}; slow down.`, undefined, seconds);
  }

  async function count(userId: string, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined);
    const limiter = shared !== undefined && redis?.isUp() ? shared : local;
    try {
      await limiter.consume(userId);
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused;
      throw refusal(refused.msBeforeNext);
    }
  }

  return {
    async consume(userId) {
      const before = counting.get(userId);
      // With so many waiting at once this one is over the limit whatever Redis will say of them.
      if (before !== undefined && before.calls >= limit) throw refusal(0);
      const mine = count(userId, before?.tail);
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
