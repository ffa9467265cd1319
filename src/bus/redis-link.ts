/**
 * One life of the link to Redis: a connection that publishes and one that subscribes.
 *
 * Guarantees: it lives once. The first thing that goes wrong on either connection, or an answer
 * that does not come in time, ends both at once and is told to `onDown`, exactly once; from then
 * on nothing is delivered and every promise given out has been or is being rejected. ioredis's own
 * reconnection, offline queue and resending are off: what to do next is the bus's decision, and a
 * queue that nobody bounds is none.
 */
import type { Redis } from 'ioredis';
import { createRedisConnection, describeRedisError } from '../redis/connection.ts';
import { requirePrimary } from '../redis/role.ts';
import { createBatchSender, createPlainSender, type RedisSender } from './redis-sender.ts';

export interface RedisLinkOptions {
  url: string;
  /** Shown by CLIENT LIST. */
  name: string;
  /** Put before every payload (ASCII). */
  head: string;
  /** How long connecting, and any one command, may take. */
  commandTimeoutMs: number;
  maxPendingBytes: number;
  /** Heard by nobody else: whether this user may publish at all is tried on it. */
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
  /** Ends both connections now, without waiting for the other side. */
  fail(reason: string): void;
}

/** A link that is not connected yet; `open` connects it. */
export function createRedisLink(options: RedisLinkOptions): RedisLink {
  const { commandTimeoutMs, maxPendingBytes, head } = options;
  let alive = true;
  let sender: RedisSender | undefined;
  const publisher = connection('pub');
  const subscriber = connection('sub');
  subscriber.on('messageBuffer', (channel: Buffer, payload: Buffer) => {
    if (alive) options.onMessage(channel, payload);
  });

  function connection(role: string): Redis {
    let cause = 'connection closed';
    const redis = createRedisConnection({
      url: options.url,
      name: `${options.name}:${role}`,
      timeoutMs: commandTimeoutMs,
      commandTimeout: false,
      onError: (error) => {
        cause = describeRedisError(error);
      },
    });
    redis.on('close', () => fail(cause));
    redis.on('end', () => fail(cause));
    return redis;
  }

  function fail(reason: string): void {
    if (!alive) return;
    alive = false;
    sender?.stop();
    for (const redis of [publisher, subscriber]) {
      redis.disconnect();
      // disconnect() says goodbye and waits two seconds for the other side: a silent one never
      // answers, and the process must not hang on it. (No stream yet: it is not created any more.)
      const stream: typeof redis.stream | undefined = redis.stream;
      stream?.destroy();
    }
    options.onDown(reason);
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
      if (publisher.status !== 'end' && subscriber.status !== 'end') {
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
      await inTime('ROLE', requirePrimary(publisher));
      // Where answers are off afterwards, a refusal would look like silence.
      await inTime('PUBLISH', publisher.publish(options.trialChannel, ''));
      const batches = await inTime('CLIENT REPLY', allowsReplyMode(publisher));
      if (!alive) throw new Error('the link is down');
      const made = { connection: publisher, head, maxPendingBytes };
      sender = batches ? createBatchSender(made) : createPlainSender(made);
      return sender;
    },

    async subscribe(channels) {
      if (!alive) throw new Error('the link is down');
      await inTime('SUBSCRIBE', subscriber.subscribe(...channels));
    },

    async unsubscribe(channels) {
      if (!alive) throw new Error('the link is down');
      await inTime('UNSUBSCRIBE', subscriber.unsubscribe(...channels));
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
