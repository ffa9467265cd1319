/**
 * The Redis server of this process, as all its users see it: one connection for short commands, one
 * verdict whether it is the right server.
 *
 * Guarantees: a server that answers and is the wrong one (a primary that was demoted with its connections
 * alive, a node of a cluster, an access list that does not let us) is found out by its role and by a
 * trial write once for each `CHECK_MS`, and by the first refusal that a user of `commands` reports; then
 * the connection is made anew until it leads to the right one. Nothing waits longer than `TIMEOUT_MS` and
 * nothing is queued. What is wrong is told once for each outage, and once when it is over.
 */
import type { Redis } from 'ioredis';
import { createRedisConnection, describeRedisError } from './connection.ts';
import { isTrouble, replyCode, wrongServer } from './refusals.ts';
import { requirePrimary, WrongServer } from './role.ts';

export interface RedisServerOptions {
  url: string;
  /** Put before every key. */
  prefix: string;
  /** Of this process. */
  nodeId: string;
  log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

export type RedisStatus = { ok: true } | { ok: false; reason: string };

export interface RedisServer {
  readonly url: string;
  readonly prefix: string;
  /** For short commands; they fail at once while the server is not up. Another one after each loss. */
  readonly commands: Redis;
  /** Whether it is there and the right one; with pub/sub that works, but without writes, it is. */
  status(): RedisStatus;
  /** What keeps the right server from taking writes (out of memory, loading); null: nothing does. */
  trouble(): string | null;
  /** A command was refused or failed: the verdict may change. */
  report(error: unknown): void;
  /** Told when the server is the right one (again). */
  onUp(listener: () => void): void;
  /** Told when it is found to be the wrong one, or gone. */
  onDown(listener: (reason: string) => void): void;
  /** Resolves when the first verdict is there. */
  checked(): Promise<void>;
  close(): void;
}

const TIMEOUT_MS = 1_000;
const CHECK_MS = 1_000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1_000;
/** The trial write is forgotten by itself. */
const TRIAL_LIFE_MS = 10_000;

export function createRedisServer(options: RedisServerOptions): RedisServer {
  const { url, prefix, nodeId, log } = options;
  const trialKey = `${prefix}trial:${nodeId}`;
  const ups: (() => void)[] = [];
  const downs: ((reason: string) => void)[] = [];
  let state: RedisStatus = { ok: false, reason: 'connecting' };
  let said: string | null = null;
  let trouble: string | null = null;
  let current: Redis;
  let failures = 0;
  let checkTimer: NodeJS.Timeout | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  let closed = false;
  let firstVerdict: () => void = () => undefined;
  const checked = new Promise<void>((resolve) => {
    firstVerdict = resolve;
  });

  /** Each connection lives once: ioredis's own reconnection can end in a `ready` without a socket. */
  function connect(): Redis {
    let cause = 'connection closed';
    const made = createRedisConnection({
      url,
      name: `commands:${nodeId}`,
      timeoutMs: TIMEOUT_MS,
      onError: (error) => {
        cause = describeRedisError(error);
        // Refused while connecting: what commands are answered afterwards only follows from it.
        const refusal = wrongServer(error);
        if (refusal !== undefined) lose(made, `the Redis server ${refusal}`);
      },
    });
    made.on('close', () => lose(made, cause));
    made.on('end', () => lose(made, cause));
    made.connect().then(
      () => check(made),
      (error: unknown) =>
        lose(made, cause === 'connection closed' ? describeRedisError(error) : cause),
    );
    return made;
  }

  /** Ends this connection, and makes another one in a moment: it may lead to another server. */
  function lose(made: Redis, reason: string): void {
    if (made !== current || retryTimer !== undefined || closed) return;
    end(made);
    down(reason);
    const mostMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
    failures += 1;
    retryTimer = setTimeout(
      () => {
        retryTimer = undefined;
        current = connect();
      },
      mostMs * (0.5 + Math.random() / 2),
    ).unref();
  }

  function end(made: Redis): void {
    clearTimeout(checkTimer);
    made.disconnect();
    // A silent server would keep the socket open. (No stream yet: it is not created any more.)
    const stream: typeof made.stream | undefined = made.stream;
    stream?.destroy();
  }

  async function check(made: Redis): Promise<void> {
    clearTimeout(checkTimer);
    try {
      await verify(made);
      trouble = null;
      up();
    } catch (error) {
      judge(made, error, true);
    }
    if (!closed && made === current && retryTimer === undefined) {
      checkTimer = setTimeout(() => void check(made), CHECK_MS).unref();
    }
  }

  /** @throws what the server says against it */
  async function verify(connection: Redis): Promise<void> {
    await Promise.all([
      requirePrimary(connection),
      connection.set(trialKey, '1', 'PX', TRIAL_LIFE_MS),
    ]);
  }

  /** @param isTrial whether it is what the check itself was answered */
  function judge(made: Redis, error: unknown, isTrial: boolean): void {
    const why = error instanceof WrongServer ? error.message : wrongServer(error);
    if (why !== undefined) {
      lose(made, `the Redis server ${why}`);
    } else if (isTrouble(error)) {
      trouble = describeRedisError(error);
      up();
    } else if (replyCode(error) === undefined) {
      lose(made, describeRedisError(error));
    } else if (isTrial) {
      lose(made, `the Redis server refuses a trial write (${describeRedisError(error)})`);
    }
  }

  function up(): void {
    firstVerdict();
    const isNews = !state.ok;
    failures = 0;
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

  current = connect();

  return {
    url,
    prefix,
    get commands() {
      return current;
    },
    status: () => state,
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
      clearTimeout(retryTimer);
      state = { ok: false, reason: 'closed' };
      end(current);
    },
  };
}
