/** Whether Redis is there, is the right one, takes writes, and carries a payload from a publisher to a subscriber. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { createRedisConnection } from '../redis/connection.ts';
import { replyCode, wrongServer } from '../redis/refusals.ts';
import { requirePrimary, WrongServer } from '../redis/role.ts';
import { type Finding, ok, problem, reasonOf } from './finding.ts';

const SUBJECT = 'Redis';
const TRIAL_LIFE_MS = 1_000;

export interface RedisCheckOptions {
  url: string;
  prefix: string;
  timeoutMs: number;
}

export async function checkRedis({ url, prefix, timeoutMs }: RedisCheckOptions): Promise<Finding> {
  const clients: Redis[] = [];
  let connectionError: unknown;
  const connect = async (): Promise<Redis> => {
    const client = createRedisConnection({
      url,
      name: 'doctor',
      timeoutMs,
      // The reason is in the event; what `connect` rejects with only says that it is closed.
      onError: (error) => {
        connectionError = error;
      },
    });
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    const [publisher, subscriber] = [await connect(), await connect()];
    await requirePrimary(publisher);
    const trial = `${prefix}doctor:${randomUUID()}`;
    await publisher.set(trial, '1', 'PX', TRIAL_LIFE_MS);
    const version = await versionOf(publisher);
    const tookMs = await echo(publisher, subscriber, trial, timeoutMs);
    return ok(SUBJECT, `${version}, echo through pub/sub ${tookMs.toFixed(1)} ms`);
  } catch (error) {
    const cause = connectionError ?? error;
    const wrong = cause instanceof WrongServer ? cause.message : wrongServer(cause);
    return problem(
      SUBJECT,
      wrong ??
        (replyCode(cause) === undefined ? `does not answer: ${reasonOf(cause)}` : reasonOf(cause)),
      'Nodes hear of each other only every HEAD_CHECK_INTERVAL_MS. Look at REDIS_URL and the server.',
    );
  } finally {
    for (const client of clients) client.disconnect();
  }
}

/** Of interest, but an access list may keep it to itself. */
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
