/** `npm start` as somebody runs it who has just cloned: built when needed, stopped through npm. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once as onceEvent } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { listProcesses, type ProcessRow } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What `npm start` reads; the packages are linked. */
const PARTS = ['src', 'web', 'sql', 'scripts', 'package.json', 'package-lock.json'].concat([
  'tsconfig.json',
  'tsconfig.build.json',
]);
/** The compiler and the page, beside other tests. */
const BUILD_MS = 60_000;

let db: TestDatabase;
/** A copy: building in the project itself would meet other tests that do. */
const copy = mkdtempSync(join(tmpdir(), 'messaging-test-npm-start-'));

beforeAll(async () => {
  db = await createTestDatabase();
  for (const part of PARTS) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(async () => {
  rmSync(copy, { recursive: true });
  await db.drop();
});

let npm: ChildProcess | undefined;
afterEach(() => {
  try {
    if (npm?.pid !== undefined) process.kill(-npm.pid, 'SIGKILL');
  } catch {
    // Nothing is left of the group, as it should be.
  }
});

function npmStart(): { npm: ChildProcess; output(): string; exited: Promise<unknown[]> } {
  let output = '';
  const child = spawn('npm', ['start'], {
    cwd: copy,
    // A process group of its own: the signal reaches npm alone, and a failed test is cleaned up.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: db.url,
    },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  npm = child;
  return { npm: child, output: () => output, exited: onceEvent(child, 'exit') };
}

async function below(pid: number): Promise<ProcessRow[]> {
  const rows = await listProcesses();
  const found = rows.filter(({ parent }) => parent === pid);
  return [...found, ...(await Promise.all(found.map((row) => below(row.pid)))).flat()];
}

async function allGone(pids: readonly number[]): Promise<void> {
  const left = async () =>
    (await listProcesses()).filter(({ pid, state }) => pids.includes(pid) && state !== 'Z');
  await waitFor(async () => (await left()).length === 0, { what: `the end of ${pids}` });
}

describe('a signal to npm', () => {
  it('while it builds ends the build, and the next start builds', {
    timeout: BUILD_MS,
  }, async () => {
    const started = npmStart();
    const building = await waitFor(
      async () => {
        const rows = await below(started.npm.pid ?? 0);
        return rows.some(({ command }) => command.includes('tsconfig.build.json')) ? rows : null;
      },
      { what: 'the compiler', timeoutMs: BUILD_MS },
    );
    started.npm.kill('SIGTERM');
    await started.exited;
    await allGone(building.map(({ pid }) => pid));
    expect(existsSync(join(copy, 'dist', '.built-from'))).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops the service, which says so',
    { timeout: BUILD_MS },
    async (signal) => {
      const started = npmStart();
      await waitFor(() => started.output().includes('messaging-service listens'), {
        what: 'the service',
        timeoutMs: BUILD_MS,
      });
      const all = await below(started.npm.pid ?? 0);
      started.npm.kill(signal);
      expect(await started.exited).toEqual([0, null]);
      await allGone(all.map(({ pid }) => pid));
      expect(started.output()).toContain(`${signal}: finishing what is running, then stopping`);
    },
  );
});

describe('what it has built', () => {
  it('is a command that the system can run', async () => {
    const doctor = spawn(join(copy, 'dist', 'cli.js'), ['--version'], { stdio: 'ignore' });
    expect(await onceEvent(doctor, 'close')).toEqual([0, null]);
  });

  // An `import` of everything has Node 20 open more than 250 modules at once.
  it('loads with few files, and says how many it needs', { timeout: BUILD_MS }, async () => {
    const service = spawn('/bin/sh', ['-c', 'ulimit -n 50 && exec node dist/main.js'], {
      cwd: copy,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', DATABASE_URL: db.url },
    });
    let complaint = '';
    service.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    expect(await onceEvent(service, 'close')).toEqual([1, null]);
    expect(complaint).toMatch(/^messaging-service cannot start: The process may open 50 files /);
  });
});
