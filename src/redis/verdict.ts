/** Whether a Redis server is the one we need: what it is asked, and what its answers mean. */
import type { Redis } from 'ioredis';
import { TRIAL_LIFE_MS } from '../bounds/redis.ts';

/** The server answers, and is not the one we need. */
class WrongServer extends Error {}

/** Error replies that mean the wrong server for us, or the wrong client for it: nothing we do there counts. */
const WRONG_SERVER = new Map([
  ['READONLY', 'is a replica, which takes no writes'],
  ['MOVED', 'is a node of a cluster and does not hold all keys'],
  ['ASK', 'is a node of a cluster and does not hold all keys'],
  ['CLUSTERDOWN', 'is a node of a cluster that is down'],
  ['MASTERDOWN', 'is a replica that has lost its primary'],
  ['NOAUTH', 'wants a password'],
  ['WRONGPASS', 'does not take this user and password'],
  ['NOPERM', 'does not permit this user what we need'],
]);

/** Error replies about the state of the right server: out of memory, loading, a failing disk … */
const TROUBLE = new Set(['OOM', 'MISCONF', 'LOADING', 'BUSY', 'NOREPLICAS', 'TRYAGAIN']);

/**
 * What an error says about the server.
 * - `wrong`: it is there, and nothing we do there counts; `reason` goes on from "the Redis server"
 * - `trouble`: it is the right one, and its state keeps it from doing what it was asked
 * - `refused`: it refuses this command, whatever for
 * - `away`: it did not answer
 */
export interface Verdict {
  readonly kind: 'wrong' | 'trouble' | 'refused' | 'away';
  readonly reason: string;
}

/** What `error`, of a command or of a connection, says about the server. */
export function judgeRedis(error: unknown): Verdict {
  const wrong = wrongServer(error);
  if (wrong !== undefined) return { kind: 'wrong', reason: wrong };
  const code = replyCode(error);
  const reason = describeRedisError(error);
  if (code === undefined) return { kind: 'away', reason };
  return { kind: TROUBLE.has(code) ? 'trouble' : 'refused', reason };
}

/** Why the server behind this error is not the one we need; undefined: it may well be. */
export function wrongServer(error: unknown): string | undefined {
  if (error instanceof WrongServer) return error.message;
  const why = WRONG_SERVER.get(replyCode(error) ?? '');
  return why === undefined ? undefined : `${why} (${describeRedisError(error)})`;
}

/** What went wrong, in words for people. */
export function describeRedisError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  // "All addresses refused" comes as an AggregateError without a message.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/**
 * Resolves where the server is a primary, or does not tell this user.
 *
 * @throws what `judgeRedis` calls `wrong` when it is a replica: what is published there reaches nobody at
 *   the primary
 */
export async function requirePrimary(redis: Redis): Promise<void> {
  const role = await redis.call('ROLE').catch((error: unknown) => {
    const code = replyCode(error);
    if (code === 'NOPERM' || code === 'ERR') return null;
    throw error;
  });
  if (Array.isArray(role) && role[0] !== 'master') {
    throw new WrongServer(`is a replica (its role is ${String(role[0])})`);
  }
}

/**
 * Resolves where the server is a primary and takes a write to `key`.
 *
 * @throws what the server says against it, for `judgeRedis`
 */
export async function requireWrites(redis: Redis, key: string): Promise<void> {
  await Promise.all([requirePrimary(redis), redis.set(key, '1', 'PX', TRIAL_LIFE_MS)]);
}

/** The first word of an error reply: `READONLY`, `NOPERM`, `ERR` … Undefined: it is no reply. */
function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  return /^[A-Z]+(?= |$)/.exec(error.message)?.[0] ?? 'ERR';
}
