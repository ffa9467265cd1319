/** The supervisor alone, with workers that do not do what they should. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PULSE_LIMITS } from '../../src/bounds/workers.ts';
import { createLog } from '../../src/log.ts';
import type { PulseLimits } from '../../src/workers/pulse.ts';
import { createSupervisor, type Supervisor } from '../../src/workers/supervisor.ts';
import { startWorker } from '../../src/workers/worker-process.ts';
import { waitFor } from '../support/wait.ts';
import { running } from './support.ts';

interface Line {
  msg: string;
  worker?: number;
  pid?: number;
  delayMs?: number;
  how?: string;
}

const directory = mkdtempSync(join(tmpdir(), 'messaging-test-supervisor-'));
afterAll(() => rmSync(directory, { recursive: true }));

// What a forked worker inherits: this process itself runs through the test runner's loader.
const { execArgv } = process;
beforeAll(() => {
  process.execArgv = ['--import', 'tsx'];
});
afterAll(() => {
  process.execArgv = execArgv;
});

const supervisors: Supervisor[] = [];
afterEach(async () => {
  await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()));
});

/** Quicker than the defaults, in the same proportion. */
const PULSE = { intervalMs: 300, maxUnanswered: 5 };

function supervise(script: string, workers = 1, pulse: PulseLimits = PULSE_LIMITS) {
  const lines: Line[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Line);
  const supervisor = createSupervisor({
    entry: fileURLToPath(new URL(script, import.meta.url)),
    workers,
    order: { port: 1, databaseUrl: directory, ownDatabase: false },
    graceMs: 0,
    pulse,
    log: createLog({ level: 'info', pretty: false }, { write }),
  });
  supervisors.push(supervisor);
  return { supervisor, said: (msg: string) => lines.filter((line) => line.msg === msg) };
}

describe('a worker that dies again and again', () => {
  it('is started again after 100 ms, 200, 400 …, until the service stops', async () => {
    const { supervisor, said } = supervise('dying-worker.ts');
    await supervisor.start();
    const again = await waitFor(
      () => {
        const lines = said('a worker is started again');
        return lines.length >= 4 ? lines : null;
      },
      { what: 'the fourth restart', timeoutMs: 30_000 },
    );
    expect(again.map(({ delayMs }) => delayMs)).toEqual([100, 200, 400, 800]);
    expect(said('a worker has ended by itself')[0]?.how).toBe('exit code 3: nothing holds me here');
    await supervisor.stop();
    const pids = said('a worker listens').map(({ pid = 0 }) => pid);
    expect(await running(pids)).toEqual([]);
    expect(said('a worker is started again').length).toBe(4);
  });
});

describe('a worker that hangs', () => {
  it('is killed when it has been silent for some time, and started again', async () => {
    const { supervisor, said } = supervise('hanging-worker.ts', 2, PULSE);
    await supervisor.start();
    const [killed] = await waitFor(
      () => {
        const lines = said('a worker does not answer: it is killed');
        return lines.length > 0 ? lines : null;
      },
      { what: 'the verdict' },
    );
    await waitFor(() => said('a worker listens').length === 3, { what: 'the successor' });
    const [ended, ...others] = said('a worker has ended by itself');
    expect(ended).toMatchObject({ worker: 2, pid: killed?.pid, how: 'SIGKILL' });
    expect(others).toEqual([]);
    expect(said('a worker does not answer: it is killed').length).toBe(1);
    expect(said('a worker listens').at(-1)?.worker).toBe(2);
  });

  it('is not one that did not run when its supervisor did not either', async () => {
    const { supervisor, said } = supervise('answering-worker.ts', 2, PULSE);
    await supervisor.start();
    const pids = said('a worker listens').map(({ pid = 0 }) => pid);
    // As on a machine that is suspended, or has no core for this service: nothing of it runs for far
    // longer than a worker may be silent.
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const until = performance.now() + 2 * PULSE.intervalMs * PULSE.maxUnanswered;
    while (performance.now() < until);
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    // Time for as many questions as one may leave unanswered, and some more.
    await new Promise((resolve) =>
      setTimeout(resolve, PULSE.intervalMs * (PULSE.maxUnanswered + 2)),
    );
    expect(said('a worker does not answer: it is killed')).toEqual([]);
    expect(await running(pids)).toEqual(pids.toSorted((a, b) => a - b));
  });
});

describe('a rolling restart', () => {
  it('whose first successor does not start is given up, and those that were there stay', async () => {
    const { supervisor, said } = supervise('stubborn-worker.ts', 2);
    await supervisor.start();
    const pids = said('a worker listens').map(({ pid = 0 }) => pid);
    supervisor.restart();
    await waitFor(() => said('rolling restart: given up').length > 0, {
      what: 'the giving up',
      timeoutMs: 30_000,
    });
    expect(said('the successor of a worker does not start').length).toBe(1);
    expect(await running(pids)).toEqual(pids.toSorted((a, b) => a - b));
    expect(said('a worker is started again')).toEqual([]);
  });
});

describe('a start', () => {
  it('that fails for one worker fails with its sentence, and stop ends the others', async () => {
    const { supervisor, said } = supervise('refusing-worker.ts', 2);
    await expect(supervisor.start()).rejects.toThrow(/^the second is one too many$/);
    await supervisor.stop();
    expect(await running(said('a worker listens').map(({ pid = 0 }) => pid))).toEqual([]);
    expect(said('a worker is started again')).toEqual([]);
  });
});

describe('a worker that cannot tell its figures', () => {
  it('says so at once, and is asked again', async () => {
    const worker = startWorker({
      entry: fileURLToPath(new URL('forgetful-worker.ts', import.meta.url)),
      order: { port: 1, databaseUrl: directory, ownDatabase: false, worker: 1 },
      graceMs: 0,
      exposition: () => Promise.resolve(null),
    });
    try {
      await worker.listening;
      expect(await worker.figures(10_000)).toBeNull();
      expect(await worker.figures(10_000)).toMatchObject([{ values: [{ value: 2 }] }]);
      expect(worker.lastCounters()).toMatchObject([{ name: 'asked_total' }]);
    } finally {
      await worker.stop();
    }
  });
});
