/**
 * One life of the link to Redis: a connection that publishes and one that subscribes.
 *
 * Guarantees: it lives once. The first thing that goes wrong on either connection, or an answer
 * that does not come in time, ends both at once and is told to `onDown`, exactly once; from then
 * on nothing is delivered and every promise given out has been or is being rejected. What to do next is
 * the bus's decision.
 */
import type { Redis } from 'ioredis';
import type { RedisConnection } from '../redis/connection.ts';
import type { RedisServer } from '../redis/server.ts';
import { describeRedisError, requirePrimary } from '../redis/verdict.ts';
import { createBatchSender, createPlainSender, type RedisSender } from './redis-sender.ts';

export interface RedisLinkDeps {
  open: RedisServer['open'];
  /** The name that CLIENT LIST shows. */
  name: string;
  /** Stands before every payload (ASCII). */
  head: string;
  /** How long connecting, and any one command, may take. */
  commandTimeoutMs: number;
  maxPendingBytes: number;
  /** A channel nobody else hears: on it the link tries whether this user may publish at all. */
  trialChannel: string;
  onMessage(channel: Buffer, payload: Buffer): void;
  onDown(reason: string): void;
}

export interface RedisLink {
  /** Resolves with the way to publish when both connections take commands. */
  open(): Promise<RedisSender>;
  /** Resolves when Redis has confirmed all `channels`. */
  subscribe(channels: string[]): Promise<void>;
  unsubscribe(channels: string[]): Promise<void>;
  /** How many connections hear each of `channels`; null: Redis does not tell, or not any more. */
  countListeners(channels: string[]): Promise<number[] | null>;
  /** Ends both connections now, without waiting for the other side. */
  fail(reason: string): void;
}

/** A link that is not connected yet; `open` connects it. */
export function createRedisLink(deps: RedisLinkDeps): RedisLink {
  const { commandTimeoutMs, maxPendingBytes, head } = deps;
  let alive = true;
  let sender: RedisSender | undefined;
  const publisher = connection('pub');
  const subscriber = connection('sub');
  subscriber.redis.on('messageBuffer', (channel: Buffer, payload: Buffer) => {
    if (alive) deps.onMessage(channel, payload);
  });

  function connection(role: string): RedisConnection {
    return deps.open({
      name: `${deps.name}:${role}`,
      timeoutMs: commandTimeoutMs,
      commandTimeout: false,
      onEnd: (error) => fail(describeRedisError(error)),
    });
  }

  function fail(reason: string): void {
    if (!alive) return;
    alive = false;
    sender?.stop();
    publisher.end();
    subscriber.end();
    deps.onDown(reason);
  }

  /** `work`, or the end of the link when it takes too long or fails. */
  async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
    const timer = setTimeout(
      () => fail(`no answer to ${what} within ${commandTimeoutMs} ms`),
      commandTimeoutMs,
    );
    try {
      return await work;
    } catch (error) {
      // Connections that are gone have told why already, and better.
      if (!publisher.isOver() && !subscriber.isOver()) {
        fail(`${what}: ${describeRedisError(error)}`);
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async open() {
      await inTime('connect', Promise.all([publisher.connect(), subscriber.connect()]));
      await inTime('ROLE', requirePrimary(publisher.redis));
      // Where answers are off afterwards, a refusal would look like silence.
      await inTime('PUBLISH', publisher.redis.publish(deps.trialChannel, ''));
      const batches = await inTime('CLIENT REPLY', allowsReplyMode(publisher.redis));
      if (!alive) throw new Error('the link is down');
      const made = { connection: publisher.redis, head, maxPendingBytes };
      sender = batches ? createBatchSender(made) : createPlainSender(made);
      return sender;
    },

    async subscribe(channels) {
      if (!alive) throw new Error('the link is down');
      await inTime('SUBSCRIBE', subscriber.redis.subscribe(...channels));
    },

    async unsubscribe(channels) {
      if (!alive) throw new Error('the link is down');
      await inTime('UNSUBSCRIBE', subscriber.redis.unsubscribe(...channels));
    },

    async countListeners(channels) {
      // Some access lists forbid it. That the link falls silent the probe finds out.
      const answer = await publisher.redis.call('PUBSUB', 'NUMSUB', ...channels).catch(() => null);
      if (!alive || !Array.isArray(answer)) return null;
      // channel, count, channel, count
      return channels.map((_, index) => Number(answer[2 * index + 1]));
    },

    fail,
  };
}

/** Whether Redis lets this connection switch answers off and on; an error reply means no. */
function allowsReplyMode(redis: Redis): Promise<boolean> {
  return new Promise((resolve, reject) => {
    redis.call('CLIENT', 'REPLY', 'ON', (error) => {
      if (!error) resolve(true);
      else if (error.name === 'ReplyError') resolve(false);
      else reject(error);
    });
  });
}
