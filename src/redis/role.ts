/** Which part a Redis server plays in its replication. */
import type { Redis } from 'ioredis';
import { replyCode } from './refusals.ts';

/** It answers, and is not the server we need. */
export class WrongServer extends Error {}

/**
 * Resolves where the server is a primary, or does not tell this user.
 *
 * @throws WrongServer when it is a replica: what is published there reaches nobody at the primary
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
