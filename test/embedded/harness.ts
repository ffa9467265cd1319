// What the tests of the embedded PostgreSQL share: temporary data directories, owner processes and
// a look at what still runs. All of it is ended and removed after each test.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, vi } from 'vitest';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/embedded/embedded-postgres.ts';
import { connectPostgres } from '../../src/store/connect.ts';
import { listProcesses } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

const OWNER = fileURLToPath(new URL('./owner.ts', import.meta.url));
const MODULE = fileURLToPath(new URL('../../src/embedded/embedded-postgres.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');
const TIMEOUT_MS = 30_000;

export interface Owner {
  child: ChildProcess;
  url: string;
  /** The postmaster's process id. */
  pid: number;
}

/** Call once per test file, outside of tests. */
export function createHarness() {
  // Creating and recovering a cluster is a matter of seconds on a machine with other work to do.
  vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
  const directories: string[] = [];
  const children: ChildProcess[] = [];
  const started: EmbeddedPostgres[] = [];

  async function temporaryDirectory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'messaging-test-embedded-'));
    directories.push(directory);
    return directory;
  }

  let template: Promise<string> | undefined;

  async function makeTemplate(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'messaging-test-embedded-'));
    await (await start(directory)).stop();
    return directory;
  }

  /** A data directory that has been used and left in order; a copy, which is cheaper than a start. */
  async function usedDirectory(): Promise<string> {
    template ??= makeTemplate();
    const source = await template;
    const directory = await temporaryDirectory();
    await promisify(execFile)('cp', ['-a', `${source}/.`, directory]); // keeps the owners
    return directory;
  }

  /** Starts in this process; stopped after the test if the test does not. */
  async function start(dataDir: string, port?: number): Promise<EmbeddedPostgres> {
    const embedded = await startEmbeddedPostgres({
      dataDir,
      ...(port === undefined ? {} : { port }),
      log: () => undefined,
      stopTimeoutMs: 10_000,
    });
    started.push(embedded);
    return embedded;
  }

  /** Runs owner.ts in a process group of its own and returns its line of JSON. */
  async function runOwner(
    dataDir: string,
    then: 'stay' | 'exit',
    module = MODULE,
  ): Promise<{ child: ChildProcess; line: unknown }> {
    const child = spawn(process.execPath, ['--import', TSX, OWNER, module, dataDir, then], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    children.push(child);
    let line: unknown;
    createInterface({ input: child.stdout }).once('line', (text) => {
      line = JSON.parse(text);
    });
    await waitFor(() => line !== undefined || child.exitCode !== null, {
      timeoutMs: TIMEOUT_MS,
      what: 'the owner process to report',
    });
    return { child, line };
  }

  async function startOwner(dataDir: string, then: 'stay' | 'exit'): Promise<Owner> {
    const { child, line } = await runOwner(dataDir, then);
    if (!isStarted(line)) throw new Error(`The owner did not start: ${JSON.stringify(line)}`);
    return { child, url: line.url, pid: line.pid };
  }

  async function cleanUp(): Promise<void> {
    for (const embedded of started.splice(0)) await embedded.stop();
    for (const child of children.splice(0)) await kill(child);
    for (const directory of directories.splice(0)) {
      await waitForNone(directory);
      await rm(directory, { recursive: true, force: true });
    }
  }

  afterEach(cleanUp);
  afterAll(async () => {
    if (template !== undefined) await rm(await template, { recursive: true, force: true });
  });
  return { temporaryDirectory, usedDirectory, start, runOwner, startOwner };
}

/** SIGKILL, and wait until the process has ended. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** The processes whose command line names something under `dataDir`: postmaster and watchdog. */
export async function processesOn(dataDir: string): Promise<{ pid: number; command: string }[]> {
  return (await listProcesses()).filter(({ command }) => command.includes(`${dataDir}/postgres`));
}

export async function waitForNone(dataDir: string): Promise<void> {
  await waitFor(async () => (await processesOn(dataDir)).length === 0, {
    timeoutMs: TIMEOUT_MS,
    what: `every process on ${dataDir} to end`,
  });
}

/** Ends the watchdog of a cluster, so that its postmaster outlives a killed owner. */
export async function killWatchdog(dataDir: string): Promise<void> {
  const watchdog = await waitFor(
    async () => (await processesOn(dataDir)).find(({ command }) => command.includes('watchdog')),
    { timeoutMs: TIMEOUT_MS, what: 'the watchdog' },
  );
  process.kill(watchdog.pid, 'SIGKILL');
  // The signal is sent, which is not yet the end.
  await waitFor(async () => (await processesOn(dataDir)).every(({ pid }) => pid !== watchdog.pid), {
    timeoutMs: TIMEOUT_MS,
    what: 'the watchdog to end',
  });
}

/** Runs statements on one short-lived connection. */
export async function query(url: string, ...statements: string[]): Promise<unknown[]> {
  const sql = connectPostgres(url, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    let rows: unknown[] = [];
    for (const statement of statements) rows = [...(await sql.unsafe(statement))];
    return rows;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function isStarted(line: unknown): line is { url: string; pid: number } {
  return typeof line === 'object' && line !== null && 'url' in line && 'pid' in line;
}
