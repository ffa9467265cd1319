/**
 * The one way to open a connection to Redis: a deadline on everything, no queue that nobody bounds, errors
 * that are heard from the first turn on, and no command that a provider may have taken away.
 *
 * A connection lives once: the first thing that goes wrong with it ends it. ioredis's own reconnection is
 * off, because it can end in a `ready` without a socket; who needs another connection makes one
 * (`retry.ts`), by what the server of the process says of the Redis behind it (`server.ts`).
 */
import { Redis } from 'ioredis';
import { REDIS_TIMEOUT_MS, SILENCE_FACTOR } from '../bounds/redis.ts';
import { wrongServer } from './verdict.ts';

export interface RedisConnectionDeps {
  url: string;
  /** The name that CLIENT LIST shows. */
  name: string;
  /** How long connecting, and any one command, may take; left out: `REDIS_TIMEOUT_MS`. */
  timeoutMs?: number;
  /** The bound on commands. Left out: they may take `timeoutMs`; false: whoever sends them watches over them. */
  commandTimeout?: false;
  /** Called when the connection is over, with the first error it met: once, and not after `end`. */
  onEnd(error: unknown): void;
}

export interface RedisConnection {
  readonly redis: Redis;
  /** Resolves when it takes commands; rejects with what `onEnd` is told. */
  connect(): Promise<void>;
  /** Whether it has ended; its commands may fail before `onEnd` says why. */
  isOver(): boolean;
  /** Ends it now, without waiting for the other side. */
  end(): void;
}

/** A connection that is not made yet: `connect()` does. */
export function createRedisConnection(deps: RedisConnectionDeps): RedisConnection {
  const { url, name, timeoutMs = REDIS_TIMEOUT_MS, onEnd } = deps;
  let cause: unknown;
  let over = false;

  const redis = new Redis(url, {
    connectionName: name,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    ...(deps.commandTimeout === false
      ? {}
      : { commandTimeout: timeoutMs, socketTimeout: timeoutMs * SILENCE_FACTOR }),
    // The check would be INFO, which an access list may refuse. Who is there is asked by server.ts.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    disableClientInfo: true,
  });

  function end(): void {
    over = true;
    redis.disconnect();
    // disconnect() says goodbye and waits two seconds for the other side: a silent one never answers,
    // and the process must not hang on it. (No stream yet: it is not created any more.)
    const stream: typeof redis.stream | undefined = redis.stream;
    stream?.destroy();
  }

  function lose(error: unknown): void {
    if (over) return;
    end();
    onEnd(error);
  }

  // Stays for good: an error without a listener would be printed to the console.
  redis.on('error', (error: unknown) => {
    cause ??= error;
    // Refused while connecting: what commands are answered afterwards only follows from it.
    if (wrongServer(error) !== undefined) lose(error);
  });
  const closed = (): void => lose(cause ?? new Error('connection closed'));
  redis.on('close', closed);
  redis.on('end', closed);

  return {
    redis,
    async connect() {
      try {
        await redis.connect();
      } catch (error) {
        // What `connect` rejects with may only say that it is closed.
        cause ??= error;
        lose(cause);
        throw cause;
      }
    },
    isOver: () => over || redis.status === 'end',
    end,
  };
}
