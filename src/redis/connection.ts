/**
 * The one way to open a connection to Redis: a deadline on everything, no queue that nobody bounds,
 * errors that are heard from the first turn on, and no command that a provider may have taken away.
 */
import { Redis } from 'ioredis';

export interface RedisConnectionOptions {
  url: string;
  /** Shown by CLIENT LIST. */
  name: string;
  /** How long connecting, and any one command, may take. */
  timeoutMs: number;
  /** Told of every error of the connection itself. */
  onError(error: unknown): void;
  /** How long to wait before attempt `n` to connect again; left out: the connection lives once. */
  retryAfterMs?: (attempt: number) => number;
  /** Left out: commands may take `timeoutMs`; false: whoever sends them watches over them. */
  commandTimeout?: false;
}

/** So long after a command without a byte, nobody is there any more, though nobody has closed. */
const SILENCE_FACTOR = 3;

/** A connection that is not made yet: `connect()` does. */
export function createRedisConnection(options: RedisConnectionOptions): Redis {
  const { url, name, timeoutMs, onError, retryAfterMs } = options;
  const redis = new Redis(url, {
    connectionName: name,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    ...(options.commandTimeout === false
      ? {}
      : { commandTimeout: timeoutMs, socketTimeout: timeoutMs * SILENCE_FACTOR }),
    // The check would be INFO, which an access list may refuse. Who is there is asked by server.ts.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: retryAfterMs ?? (() => null),
    disableClientInfo: true,
  });
  // Stays for good: an error without a listener would be printed to the console.
  redis.on('error', onError);
  return redis;
}

/** What went wrong, for people. */
export function describeRedisError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  // "All addresses refused" comes as an AggregateError without a message.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
