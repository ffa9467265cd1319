import { availableParallelism } from 'node:os';
import type { Config } from '../config.ts';

/** What WORKERS may be at most. */
const MAX_WORKERS = 64;

/** How many processes WORKERS means on this machine; without Redis `auto` is one. */
export function countWorkers(
  { workers, redis }: Pick<Config, 'workers' | 'redis'>,
  cores: number = availableParallelism(),
): number {
  if (workers !== 'auto') return workers;
  return redis.url === null ? 1 : Math.min(cores, MAX_WORKERS);
}
