/** How many connections fit into what the system lets this process open. */
import { readFileSync } from 'node:fs';
import {
  CONNECTIONS_BESIDES_POOL,
  MAX_REQUESTS_RESERVE,
  MIN_CLIENT_CONNECTIONS,
  PROCESS_RESERVE,
  REDIS_RESERVE,
  REQUESTS_SHARE,
} from './bounds/process.ts';
import type { Config } from './config.ts';

export interface Room {
  /** Connections that may be open for clients at once; Infinity: no limit is known. */
  readonly connections: number;
  /** Sessions of Socket.IO at once: MAX_CONNECTIONS, or what fits. */
  readonly sessions: number;
  /** How many files the system lets the process open. */
  readonly descriptors: number;
  /** Descriptors kept for everything that is not a client. */
  readonly reserved: number;
}

type Needs = Pick<Config, 'database' | 'redis' | 'realtime'>;

/**
 * How many files the system lets this process open; infinity where it does not say.
 *
 * @param limitsFile where Linux tells a process its limits; elsewhere there is none
 */
export function readDescriptorLimit(limitsFile = '/proc/self/limits'): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readOrNothing(limitsFile))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

/** How many clients there is room for in a process that may open `descriptors` files. */
export function roomFor({ database, redis, realtime }: Needs, descriptors: number): Room {
  const forRedis = redis.url === null ? 0 : REDIS_RESERVE;
  const reserved = PROCESS_RESERVE + database.poolMax + CONNECTIONS_BESIDES_POOL + forRedis;
  const connections = descriptors - reserved;
  const forRequests = Math.ceil(Math.min(connections * REQUESTS_SHARE, MAX_REQUESTS_RESERVE));
  const sessions = Math.min(realtime.maxConnections, connections - forRequests);
  return { connections, sessions, descriptors, reserved };
}

/** One sentence that says why there is no room to serve anybody; null: there is. */
export function whyNoRoom({ connections, descriptors, reserved }: Room): string | null {
  if (connections >= MIN_CLIENT_CONNECTIONS) return null;
  return (
    `The process may open ${descriptors} files (ulimit -n, LimitNOFILE, ulimits of a container), and ` +
    `needs ${reserved} beside its clients: raise the limit to ${reserved + MIN_CLIENT_CONNECTIONS} at least.`
  );
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // Not Linux.
  }
}
