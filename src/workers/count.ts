import { availableParallelism } from 'node:os';
import { MAX_WORKERS } from '../bounds/workers.ts';
import type { Config } from '../config.ts';

/** How many processes WORKERS means on this machine; without Redis `auto` is one. */
export function countWorkers(
  { workers, redis }: Pick<Config, 'workers' | 'redis'>,
  cores: number = availableParallelism(),
): number {
  if (workers !== 'auto') return workers;
  return redis.url === null ? 1 : Math.min(cores, MAX_WORKERS);
}
