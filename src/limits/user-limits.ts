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

  /** The last call of each person that is still being counted. */
  const tails = new Map<string, Promise<void>>();

  async function count(userId: string, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined);
    const limiter = shared !== undefined && redis?.isUp() ? shared : local;
    try {
      await limiter.consume(userId);
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused;
      options.refused?.();
      const seconds = Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
      throw new ChatError('rate_limited', `Too many ${name}; slow down.`, undefined, seconds);
    }
  }

  return {
    async consume(userId) {
      const mine = count(userId, tails.get(userId));
      tails.set(userId, mine);
      try {
        await mine;
      } finally {
        if (tails.get(userId) === mine) tails.delete(userId);
      }
    },
  };
}
