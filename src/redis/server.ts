/**
 * The Redis server of this process, as all its users see it: every connection to it is opened here, there
 * is one for short commands, and one verdict whether it is the right server.
 *
 * Guarantees: a server that answers and is the wrong one (a primary that was demoted with its connections
 * alive, a node of a cluster, an access list that does not let us) is found out by its role and by a
 * trial write once for each `REDIS_CHECK_MS`, and by the first refusal that a user of `commands` reports; then
 * the connection is made anew until it leads to the right one. Nothing waits longer than
 * `REDIS_TIMEOUT_MS` and nothing is queued. What is wrong is told once for each outage, and once when it is over.
 */
import type { Redis } from 'ioredis';
import { REDIS_CHECK_MS, REDIS_RETRY_MAX_MS } from '../bounds/redis.ts';
import type { Beat } from '../shared/beat.ts';
import {
  createRedisConnection,
  type RedisConnection,
  type RedisConnectionDeps,
} from './connection.ts';
import { createRetry } from './retry.ts';
import { judgeRedis, requireWrites } from './verdict.ts';

export interface RedisServerDeps {
  url: string;
  /** Stands before every key, so that deployments can share a Redis. */
  prefix: string;
  /** This node's name, unique per process start. */
  nodeId: string;
  /** When the server is asked whether it is still the right one. */
  beat: Beat;
  log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

export type RedisStatus = { ok: true } | { ok: false; reason: string };

export interface RedisServer {
  readonly prefix: string;
  /**
   * The connection for short commands, which fail at once while the server is not up. It is another one after
   * each loss, so it is not to be kept.
   */
  readonly commands: Redis;
  /** Whether it is there and the right one; with pub/sub that works, but without writes, it is. */
  status(): RedisStatus;
  /** A connection of one's own, for what is not short; whoever opens it ends it. */
  open(deps: Omit<RedisConnectionDeps, 'url'>): RedisConnection;
  /** What keeps the right server from taking writes (out of memory, loading); null: nothing does. */
  trouble(): string | null;
  /** To be called when a command was refused or failed: the verdict may change. */
  report(error: unknown): void;
  /** Adds a listener that is told when the server is the right one (again). */
  onUp(listener: () => void): void;
  /** Adds a listener that is told when the server is found to be the wrong one, or gone. */
  onDown(listener: (reason: string) => void): void;
  /** Resolves when the first verdict is there. */
  checked(): Promise<void>;
  close(): void;
}

/** The server at `url`. Returns at once; connects, and connects again, by itself. */
export function createRedisServer(deps: RedisServerDeps): RedisServer {
  const { url, prefix, nodeId, log } = deps;
  const trialKey = `${prefix}trial:${nodeId}`;
  const ups: (() => void)[] = [];
  const downs: ((reason: string) => void)[] = [];
  let state: RedisStatus = { ok: false, reason: 'connecting' };
  let said: string | null = null;
  let trouble: string | null = null;
  /** A connection that has been answered: on it the server is asked again at the next beat. */
  let answered: RedisConnection | undefined;
  let closed = false;
  let firstVerdict: () => void = () => undefined;
  const checked = new Promise<void>((resolve) => {
    firstVerdict = resolve;
  });

  const retry = createRetry({
    maxPauseMs: REDIS_RETRY_MAX_MS,
    connect() {
      current = connect();
    },
  });
  let current = connect();
  const endBeat = deps.beat.every(REDIS_CHECK_MS, () => {
    if (answered === current && !retry.isDue()) void check(current);
  });

  function connect(): RedisConnection {
    const made = open({
      name: `commands:${nodeId}`,
      onEnd: (error) => lose(made, reasonOf(error)),
    });
    // What it rejects with is told to `onEnd`, too.
    made.connect().then(
      () => check(made),
      () => undefined,
    );
    return made;
  }

  function open(connection: Omit<RedisConnectionDeps, 'url'>): RedisConnection {
    return createRedisConnection({ url, ...connection });
  }

  /** Ends this connection, and makes another one in a moment: it may lead to another server. */
  function lose(made: RedisConnection, reason: string): void {
    if (made !== current || retry.isDue() || closed) return;
    made.end();
    down(reason);
    retry.later();
  }

  async function check(made: RedisConnection): Promise<void> {
    answered = undefined;
    try {
      await requireWrites(made.redis, trialKey);
      trouble = null;
      up();
    } catch (error) {
      judge(made, error, true);
    }
    if (made === current) answered = made;
  }

  /** @param isTrial whether it is what the check itself was answered */
  function judge(made: RedisConnection, error: unknown, isTrial: boolean): void {
    const { kind, reason } = judgeRedis(error);
    if (kind === 'trouble') {
      trouble = reason;
      up();
    } else if (kind !== 'refused') {
      lose(made, reasonOf(error));
    } else if (isTrial) {
      lose(made, `the Redis server refuses a trial write (${reason})`);
    }
  }

  function up(): void {
    firstVerdict();
    const isNews = !state.ok;
    retry.succeeded();
    state = { ok: true };
    if (trouble === null && said !== null) log.info({}, 'Redis is as it should be again');
    if (trouble !== null && said !== trouble) {
      log.warn(
        { reason: trouble },
        'Redis takes no writes: rates and sessions are known to this node alone',
      );
    }
    said = trouble;
    if (isNews) for (const listener of ups) listener();
  }

  function down(reason: string): void {
    firstVerdict();
    if (closed) return;
    const wasUp = state.ok;
    state = { ok: false, reason };
    // Once for each outage: what each further attempt ran into is in `status`.
    if (wasUp || said === null) log.warn({ reason }, 'Redis cannot be used');
    said = reason;
    if (wasUp) for (const listener of downs) listener(reason);
  }

  return {
    prefix,
    get commands() {
      return current.redis;
    },
    status: () => state,
    open,
    trouble: () => trouble,
    // While it is not up, commands fail for that alone: it says nothing against a connection being made.
    report: (error) => {
      if (state.ok) judge(current, error, false);
    },
    onUp: (listener) => void ups.push(listener),
    onDown: (listener) => void downs.push(listener),
    checked: () => checked,
    close() {
      closed = true;
      endBeat();
      retry.cancel();
      state = { ok: false, reason: 'closed' };
      current.end();
    },
  };
}

/** Why the server cannot be used, when a connection or command met this error. */
function reasonOf(error: unknown): string {
  const { kind, reason } = judgeRedis(error);
  return kind === 'wrong' ? `the Redis server ${reason}` : reason;
}
