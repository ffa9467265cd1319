// A redis-server or valkey-server child process on a free loopback port, keeping nothing on disk.
// It does not outlive the process that started it, also when that one exits without stopping it.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './ports.ts';
import { waitFor } from './wait.ts';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
/** Another process may take the probed port first; so often another one is tried. */
const PORT_ATTEMPTS = 5;

export interface OwnRedis {
  readonly url: string;
  readonly port: number;
  /** The process id now; another one after `restart()`. */
  readonly pid: number;
  /** Sends a signal (SIGKILL, SIGSTOP, SIGCONT …); for SIGKILL and SIGTERM waits for the exit. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server if it lives and starts an empty one on the same port. */
  restart(): Promise<void>;
  /** Ends the server and removes its directory. Safe to call again. */
  stop(): Promise<void>;
}

/** The path of redis-server or valkey-server, if one is on the PATH. */
export function findRedisBinary(): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['redis-server', 'valkey-server']) {
      const path = join(directory, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here: the next place.
      }
    }
  }
  return undefined;
}

/** Whether a Redis answers PING at `url` within `timeoutMs`. */
export async function redisAnswers(url: string, timeoutMs = 2_000): Promise<boolean> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  client.on('error', () => undefined); // told by the rejected promise below
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

/**
 * Starts a private server.
 *
 * @param extra further arguments, such as `--cluster-enabled yes` in two strings
 * @throws Error in one sentence when there is none to start
 */
export async function startOwnRedis(extra: readonly string[] = []): Promise<OwnRedis> {
  const binary = findRedisBinary();
  if (binary === undefined) throw new Error('No redis-server or valkey-server is on the PATH.');
  const directory = await mkdtemp(join(tmpdir(), 'messaging-test-redis-'));
  let child: ChildProcess | undefined;
  let port = 0;
  const killAtExit = (): void => void child?.kill('SIGKILL');
  process.once('exit', killAtExit);

  const alive = (): boolean => child?.exitCode === null && child.signalCode === null;

  async function launch(): Promise<boolean> {
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
    const args = [...place, '--save', '', ...extra];
    // Its own group: a Ctrl-C in the terminal reaches it through stop(), after the tests are done.
    const started = spawn(binary as string, args, { stdio: 'ignore', detached: true });
    child = started;
    let failure: Error | undefined;
    started.once('error', (error) => {
      failure = error;
    });
    await waitFor(
      async () => failure !== undefined || !alive() || (await redisAnswers(url(), 500)),
      { timeoutMs: START_TIMEOUT_MS, what: `${binary} to answer on port ${port}` },
    );
    if (failure !== undefined) throw failure;
    return alive();
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || !alive()) return;
    const ending = child;
    const exited = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
    ending.kill(signal);
    // A stopped (SIGSTOP) server never sees SIGTERM: after the deadline it is killed.
    const timer = setTimeout(() => ending.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  const url = (): string => `redis://127.0.0.1:${port}`;

  async function stop(): Promise<void> {
    await end('SIGKILL'); // it holds nothing worth saving
    process.off('exit', killAtExit);
    await rm(directory, { recursive: true, force: true });
  }

  try {
    for (let attempt = 1; ; attempt++) {
      port = await freePort();
      if (await launch()) break;
      if (attempt === PORT_ATTEMPTS) throw new Error(`${binary} exited at once, ${attempt} times.`);
    }
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    get url() {
      return url();
    },
    get port() {
      return port;
    },
    get pid() {
      return child?.pid ?? -1;
    },
    async kill(signal) {
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await end(signal);
      else child?.kill(signal);
    },
    async restart() {
      await end('SIGKILL');
      if (!(await launch())) throw new Error(`${binary} did not come back on port ${port}.`);
    },
    stop,
  };
}
