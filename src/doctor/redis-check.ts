/** Whether Redis is there, and carries a payload from a publisher to a subscriber. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type Finding, ok, problem, reasonOf } from './finding.ts';

const SUBJECT = 'Redis';

export interface RedisCheckOptions {
  url: string;
  prefix: string;
  timeoutMs: number;
}

export async function checkRedis({ url, prefix, timeoutMs }: RedisCheckOptions): Promise<Finding> {
  const clients: Redis[] = [];
  let connectionError: unknown;
  const connect = async (): Promise<Redis> => {
    const client = new Redis(url, {
      lazyConnect: true,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    clients.push(client);
    // The reason is in the event; what `connect` rejects with only says that it is closed.
    client.on('error', (error: unknown) => {
      connectionError = error;
    });
    await client.connect();
    return client;
  };
  try {
    const [publisher, subscriber] = [await connect(), await connect()];
    const info = await publisher.info('server');
    const version = /^(?:redis|valkey)_version:(.*)$/m.exec(info)?.[1]?.trim() ?? 'unknown';
    const tookMs = await echo(publisher, subscriber, `${prefix}doctor:${randomUUID()}`, timeoutMs);
    return ok(SUBJECT, `version ${version}, echo through pub/sub ${tookMs.toFixed(1)} ms`);
  } catch (error) {
    return problem(
      SUBJECT,
      `does not answer: ${reasonOf(connectionError ?? error)}`,
      'Nodes hear of each other only every HEAD_CHECK_INTERVAL_MS. Look at REDIS_URL and the server.',
    );
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function echo(
  publisher: Redis,
  subscriber: Redis,
  channel: string,
  timeoutMs: number,
): Promise<number> {
  await subscriber.subscribe(channel);
  const startedAt = performance.now();
  const heard = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`a published payload did not come back within ${timeoutMs} ms`));
    }, timeoutMs);
    subscriber.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  await publisher.publish(channel, 'echo');
  await heard;
  return performance.now() - startedAt;
}
