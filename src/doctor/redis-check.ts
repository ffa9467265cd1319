/** Whether Redis is there, is the right one, takes writes, and carries a payload from a publisher to a subscriber. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { createRedisConnection, type RedisConnection } from '../redis/connection.ts';
import { judgeRedis, requireWrites } from '../redis/verdict.ts';
import { type Finding, ok, problem } from './finding.ts';

const SUBJECT = 'Redis';

export interface RedisCheckOptions {
  url: string;
  prefix: string;
  timeoutMs: number;
}

/** The finding about the Redis at `url`; one that cannot be reached is a finding. */
export async function checkRedis({ url, prefix, timeoutMs }: RedisCheckOptions): Promise<Finding> {
  const connections: RedisConnection[] = [];
  let lostBy: unknown;
  const connect = async (): Promise<Redis> => {
    const connection = createRedisConnection({
      url,
      name: 'doctor',
      timeoutMs,
      onEnd: (error) => {
        lostBy = error;
      },
    });
    connections.push(connection);
    await connection.connect();
    return connection.redis;
  };
  try {
    const [publisher, subscriber] = [await connect(), await connect()];
    const trial = `${prefix}doctor:${randomUUID()}`;
    await requireWrites(publisher, trial);
    const version = await versionOf(publisher);
    const tookMs = await echo(publisher, subscriber, trial, timeoutMs);
    return ok(SUBJECT, `${version}, echo through pub/sub ${tookMs.toFixed(1)} ms`);
  } catch (error) {
    const { kind, reason } = judgeRedis(lostBy ?? error);
    return problem(
      SUBJECT,
      kind === 'away' ? `does not answer: ${reason}` : reason,
      'Nodes hear of each other only every HEAD_CHECK_INTERVAL_MS. Look at REDIS_URL and the server.',
    );
  } finally {
    for (const connection of connections) connection.end();
  }
}

/** The server's version, which is of interest, though an access list may keep it to itself. */
async function versionOf(client: Redis): Promise<string> {
  const info = await client.info('server').catch(() => '');
  const version = /^(?:redis|valkey)_version:(.*)$/m.exec(info)?.[1]?.trim();
  return version === undefined ? 'version not told' : `version ${version}`;
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
  await Promise.all([publisher.publish(channel, 'echo'), heard]);
  return performance.now() - startedAt;
}
