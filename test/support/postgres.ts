// A private PostgreSQL cluster on a port of its own, for tests that break the database. It runs on
// the embedded binaries in a temporary directory and is gone after stop().

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/embedded/embedded-postgres.ts';
import { freePort } from './ports.ts';
import { childrenOf } from './processes.ts';

const STOP_TIMEOUT_MS = 20_000;
/** Another process may take the probed port first; so often another one is tried. */
const PORT_ATTEMPTS = 5;

export interface OwnPostgres {
  /** Superuser on database `postgres`; the same before and after a restart. */
  readonly url: string;
  readonly port: number;
  /** The postmaster's process id; another one after `restart()`. */
  readonly pid: number;
  /** The postmaster first, then its children as they are now. */
  pids(): Promise<number[]>;
  /**
   * Ends the server and starts it again on the same port and files: `fast` ends the sessions and
   * writes a checkpoint, `immediate` is a crash of which the start has to recover.
   */
  restart(mode: 'immediate' | 'fast'): Promise<void>;
  /** Ends the server (`immediate`: as a crash) and leaves it down until `start()`. */
  shutDown(mode: 'immediate' | 'fast'): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP to the postmaster and all its children: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  /** SIGCONT to all that `freeze()` stopped. */
  thaw(): Promise<void>;
  /** Ends the server and removes its files. Safe to call again. */
  stop(): Promise<void>;
}

/** @param log receives the lines PostgreSQL writes */
export async function startOwnPostgres(
  log: (line: string) => void = () => undefined,
): Promise<OwnPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'messaging-test-own-postgres-'));
  let port = await freePort();
  let running: EmbeddedPostgres | undefined;
  let frozen: number[] = [];
  let stopped = false;

  async function start(): Promise<void> {
    if (running !== undefined) return;
    running = await startEmbeddedPostgres({
      dataDir,
      port,
      log,
      stopTimeoutMs: STOP_TIMEOUT_MS,
    });
  }

  function current(): EmbeddedPostgres {
    if (running === undefined) throw new Error('This PostgreSQL is down: start() it first.');
    return running;
  }

  async function shutDown(mode: 'immediate' | 'fast'): Promise<void> {
    const ending = running;
    if (ending === undefined) return;
    await thaw();
    if (mode === 'immediate') {
      process.kill(ending.pid, 'SIGQUIT');
      await ending.died;
    }
    await ending.stop(); // also gives the directory free
    running = undefined;
  }

  async function thaw(): Promise<void> {
    // Children first: the postmaster must not find them unresponsive.
    for (const pid of frozen.reverse()) signalIfThere(pid, 'SIGCONT');
    frozen = [];
  }

  for (let attempt = 1; ; attempt++) {
    try {
      await start();
      break;
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !String(error).includes('is taken')) {
        await rm(dataDir, { recursive: true, force: true });
        throw error;
      }
      port = await freePort();
    }
  }
  const url = current().url;

  return {
    url,
    get port() {
      return port;
    },
    get pid() {
      return current().pid;
    },
    pids: () => processTree(current().pid),
    async restart(mode) {
      await shutDown(mode);
      await start();
    },
    shutDown,
    start,
    async freeze() {
      const { pid } = current();
      process.kill(pid, 'SIGSTOP'); // first, so that it starts no further child
      frozen = await processTree(pid);
      for (const child of frozen.slice(1)) signalIfThere(child, 'SIGSTOP');
    },
    thaw,
    async stop() {
      if (stopped) return;
      stopped = true;
      await shutDown('fast');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function processTree(postmaster: number): Promise<number[]> {
  return [postmaster, ...(await childrenOf(postmaster))];
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
