/** How a service of several workers starts, refuses to, and ends. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { DRAIN_STEP_MS } from '../../src/bounds/realtime.ts';
import { demoConversationId, demoUsers } from '../../src/store/demo-data.ts';
import { type Running, start as startCommand } from '../cli/command.ts';
import { ask, connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import {
  runToEnd,
  type ServiceProcess,
  type StartOptions,
  startService,
} from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';
import { childrenWith, client, running, workerPids, workersBelow } from './support.ts';

const SLOW_MS = 90_000;

let db: TestDatabase;
let env: Record<string, string>;
const started: ServiceProcess[] = [];
const commands: Running[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  env = {
    WORKERS: '2',
    DATABASE_URL: db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    DRAIN_GRACE_MS: '200',
  };
});
afterAll(() => db.drop());
afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.discard()));
  for (const { child, ended } of commands.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

async function start(
  extra: Record<string, string> = {},
  options: StartOptions = {},
): Promise<ServiceProcess> {
  const service = await startService({ ...env, ...extra }, options);
  started.push(service);
  return service;
}

function serve(): Running {
  const command = startCommand(['serve'], env);
  commands.push(command);
  return command;
}

const occurrences = (text: string, words: string): number => text.split(words).length - 1;

describe('a start that is refused says why once and exits with 1', { timeout: SLOW_MS }, () => {
  it('a number of workers that is none', async () => {
    const { code, output } = await runToEnd({ ...env, WORKERS: 'two' });
    expect(output).toContain(
      'WORKERS="two" is not understood: it is a whole number from 1 to 64, or auto.',
    );
    expect(code).toBe(1);
  });

  it('several workers without Redis', async () => {
    const { code, output } = await runToEnd({ ...env, REDIS_URL: '' });
    expect(output).toMatch(/cannot start: WORKERS=2 needs REDIS_URL: [^\n]+\.\n$/);
    expect(code).toBe(1);
  });

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening', 5_000);
    const { port } = other.address() as AddressInfo;
    const { code, output } = await runToEnd({ ...env, PORT: `${port}` });
    other.close();
    const sentence = `Cannot listen on 127.0.0.1:${port}: the port is in use`;
    expect(occurrences(output, sentence)).toBe(1);
    expect(code).toBe(1);
  });

  it('a port that another service of several workers has, which the kernel would share', async () => {
    const service = await start();
    for (const WORKERS of ['1', '2']) {
      const { code, output } = await runToEnd({ ...env, WORKERS, PORT: `${service.port}` });
      expect(output).toContain('the port is in use');
      expect(code).toBe(1);
    }
  });

  it('no database there', async () => {
    const port = await freePort();
    const { code, output } = await runToEnd({
      ...env,
      DATABASE_URL: `postgres://u:hunter2@127.0.0.1:${port}/x`,
    });
    expect(occurrences(output, 'cannot start')).toBe(1);
    expect(code).toBe(1);
    expect(output).not.toContain('hunter2');
  });

  it('a key that is none', async () => {
    const { code, output } = await runToEnd({ ...env, JWT_PUBLIC_KEY: 'not a key' });
    expect(occurrences(output, 'cannot start')).toBe(1);
    expect(output).toContain('JWT_PUBLIC_KEY');
    expect(code).toBe(1);
  });

  it('a worker that nobody supervises', async () => {
    const args = ['--import', 'tsx', 'src/main.ts', '--worker', '1'];
    const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env } });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    expect((await once(child, 'close', 30_000))[0]).toBe(1);
    expect(said).toContain('set WORKERS instead');
  });
});

describe('WORKERS=auto', { timeout: SLOW_MS }, () => {
  it('is one process without Redis, and says so', async () => {
    const service = await start({ WORKERS: 'auto', REDIS_URL: '' });
    expect(await workersBelow(service.pid)).toEqual([]);
    if (availableParallelism() > 1) {
      expect(service.output()).toContain('WORKERS=auto is one process without REDIS_URL');
    }
  });

  it('is a process for each core with Redis', async () => {
    const service = await start({ WORKERS: 'auto' });
    const cores = Math.min(availableParallelism(), 64);
    const pids = await workerPids(service, cores).catch(() => [service.pid]);
    expect(pids.length).toBe(cores);
  });
});

describe('the end', { timeout: SLOW_MS }, () => {
  it('SIGTERM: clients are sent elsewhere, exit 0 within 10 s, nothing is left', async () => {
    const service = await start();
    const pids = await workerPids(service);
    expect((await workersBelow(service.pid)).toSorted()).toEqual(pids.toSorted());
    const person = { id: crypto.randomUUID(), name: 'Anybody' };
    const sockets = Array.from({ length: 10 }, () => client(service, person));
    await Promise.all(sockets.map(connected));
    const gone = Promise.all(sockets.map((socket) => once(socket, 'disconnect', 10_000)));
    const begun = performance.now();
    service.kill('SIGTERM');
    service.kill('SIGTERM');
    expect((await gone).map(([reason]) => reason)).toEqual(sockets.map(() => 'transport close'));
    for (const socket of sockets) socket.close();
    expect(await service.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(await running(pids)).toEqual([]);
    expect(occurrences(service.output(), 'finishing what is running')).toBe(1);
    await waitFor(
      async () => {
        const [row] = await db.sql`
          SELECT count(*)::int AS open FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'messaging%'`;
        return row?.open === 0;
      },
      { what: 'every connection to PostgreSQL to be closed' },
    );
  });

  it('SIGTERM to every process at once, as systemd does: the same', async () => {
    const service = await start({}, { ownGroup: true });
    const pids = await workerPids(service);
    process.kill(-service.pid, 'SIGTERM');
    expect(await service.exited).toBe(0);
    expect(await running(pids)).toEqual([]);
  });

  it('Ctrl-C: the whole group is told, and stops once', async () => {
    const service = await start({}, { ownGroup: true });
    const pids = await workerPids(service);
    process.kill(-service.pid, 'SIGINT');
    process.kill(-service.pid, 'SIGINT');
    expect(await service.exited).toBe(0);
    expect(await running(pids)).toEqual([]);
    expect(occurrences(service.output(), 'finishing what is running')).toBe(1);
    expect(service.output()).not.toContain('ended by itself');
  });

  it('SIGTERM while the workers start: exit 0, nothing is left', async () => {
    const { child, stdout, ended } = serve();
    const pid = child.pid ?? -1;
    const pids = await waitFor(
      async () => {
        const children = await workersBelow(pid);
        return children.length === 2 ? children : null;
      },
      { what: 'the workers', timeoutMs: 30_000 },
    );
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(stdout()).not.toContain('listens on');
    expect(await running(pids)).toEqual([]);
  });

  it('a long DRAIN_GRACE_MS is waited for: exit 0, nobody is cut off', async () => {
    const graceMs = 10_000;
    const service = await start({
      DRAIN_GRACE_MS: String(graceMs),
      // They only stay open.
      CONNECT_TIMEOUT_MS: '60000',
    });
    // As many as take all of it, one in a step, also in the worker that the kernel gives fewer.
    const count = 3 * (graceMs / DRAIN_STEP_MS);
    const url = `ws://127.0.0.1:${service.port}/socket.io/?EIO=4&transport=websocket`;
    const sockets = Array.from({ length: count }, () => new WebSocket(url));
    await Promise.all(sockets.map((socket) => once(socket, 'message', 30_000)));
    const codes = Promise.all(sockets.map((socket) => once<[number]>(socket, 'close', 30_000)));
    const begun = performance.now();
    service.kill('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(performance.now() - begun).toBeGreaterThan(graceMs - 1_000);
    // 1006: without a word, as those of a process that was killed.
    expect((await codes).filter(([code]) => code === 1006)).toEqual([]);
    expect(service.output()).not.toMatch(/took too long|had to be killed/);
  });

  it('a worker that hangs is killed: exit 1 within 10 s, nothing is left', async () => {
    const service = await start();
    const pids = await workerPids(service);
    process.kill(pids[0] ?? -1, 'SIGSTOP');
    const begun = performance.now();
    service.kill('SIGTERM');
    expect(await service.exited).toBe(1);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(await running(pids)).toEqual([]);
    expect(service.output()).toContain('1 of the workers had to be killed');
  });

  it('SIGTERM, and again later: the end at once, nothing is left', async () => {
    const service = await start({ DRAIN_GRACE_MS: '60000' });
    const pids = await workerPids(service);
    process.kill(pids[0] ?? -1, 'SIGSTOP');
    service.kill('SIGTERM');
    let exited = false;
    void service.exited.then(() => {
      exited = true;
    });
    await waitFor(
      () => {
        if (!exited) service.kill('SIGTERM');
        return exited;
      },
      { what: 'the end at once' },
    );
    expect(await service.exited).toBe(1);
    await waitFor(async () => (await running(pids)).length === 0, { what: 'the workers to go' });
    expect(service.output()).toContain('SIGTERM again: stopping at once');
  });

  it('the supervisor is killed: the workers drain and go, and the port is free', async () => {
    const service = await start();
    const pids = await workerPids(service);
    const person = { id: crypto.randomUUID(), name: 'Anybody' };
    const socket = client(service, person);
    await connected(socket);
    const gone = once(socket, 'disconnect', 10_000);
    service.kill('SIGKILL');
    expect((await gone)[0]).toBe('transport close');
    socket.close();
    expect(await service.exited).toBe(null);
    await waitFor(async () => (await running(pids)).length === 0, { what: 'the workers to go' });
    const late = connect(service.port, '127.0.0.1');
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
  });
});

describe('serve, the command', { timeout: SLOW_MS }, () => {
  it('runs workers until SIGTERM', async () => {
    const { child, stdout, ended } = serve();
    await waitFor(() => stdout().includes('listens on http'), {
      what: 'the service',
      timeoutMs: 30_000,
    });
    expect((await workersBelow(child.pid ?? -1)).length).toBe(2);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });
});

describe('the embedded PostgreSQL', { timeout: SLOW_MS }, () => {
  it('is one for all workers, with the demo people once, and ends with them', async () => {
    const DATA_DIR = mkdtempSync(join(tmpdir(), 'messaging-test-workers-'));
    try {
      const service = await start({ DATABASE_URL: '', DATA_DIR, DATABASE_POOL_MAX: '20' });
      const pids = await workerPids(service);
      const sockets = pids.map(() =>
        io(service.url, {
          forceNew: true,
          transports: ['websocket'],
          query: { userId: demoUsers[0].id },
        }),
      );
      for (const socket of sockets) {
        await connected(socket);
        const answer = await ask(socket, 'join_conversation', demoConversationId);
        expect(answer.success).toBe(true);
      }
      const people = await (await fetch(`${service.url}/demo/settings`)).json();
      expect(people).toMatchObject({ data: { can_create_people: true } });
      for (const socket of sockets) socket.close();
      const postgres = await childrenWith(service.pid, 'postgres');
      expect(postgres.length).toBeGreaterThan(0);
      service.kill('SIGTERM');
      expect(await service.exited).toBe(0);
      // The database's watchdog hears of the end by its input, and goes a moment later.
      await waitFor(async () => (await running([...postgres, ...pids])).length === 0, {
        what: 'the end of every process',
      });
    } finally {
      rmSync(DATA_DIR, { recursive: true, force: true });
    }
  });
});
