/** An error that nobody expected in a service that runs: told with its stack, drained, exit 1. */
import { io } from 'socket.io-client';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ask, connected } from '../support/app.ts';
import { createConversation } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';
import { workerPids, workersBelow } from '../workers/support.ts';

interface Line {
  level: number;
  msg: string;
  err?: { message: string; stack: string };
}

const FATAL = 60;
const FAULT = new URL('fault.mjs', import.meta.url).href;

const scene = usePeople();
const started: ServiceProcess[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.discard()));
});

async function start(fault: string, env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startService({
    DATABASE_URL: scene.db.url,
    NODE_OPTIONS: `--import ${FAULT}`,
    TEST_FAULT: fault,
    ...env,
  });
  started.push(service);
  return service;
}

function fatalLines(service: ServiceProcess): Line[] {
  return service
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ level }) => level === FATAL);
}

describe('an error nobody expected', () => {
  it.each(['exception', 'rejection'])(
    '(%s) is told at fatal with its stack; sends finish, clients are let go, exit 1',
    async (fault) => {
      const service = await start(fault);
      const conversation_id = await createConversation(scene.db.sql, [scene.alice]);
      const client = io(service.url, {
        forceNew: true,
        reconnection: false,
        query: { userId: scene.alice.id },
      });
      await connected(client);
      const sends = Array.from({ length: 50 }, (_, n) =>
        ask(client, 'send_message', { conversation_id, content: `${n}` }),
      );
      // Answered at once, and after the sends have been read: one that is still on its way is refused.
      await ask(client, 'no such event', {});
      const gone = once(client, 'disconnect');
      service.kill('SIGUSR2');
      expect((await Promise.all(sends)).every(({ success }) => success)).toBe(true);
      expect((await gone)[0]).toBe('transport close');
      expect(await service.exited).toBe(1);
      const [line, ...others] = fatalLines(service);
      expect(line?.err?.message).toBe('nobody expected this');
      expect(line?.err?.stack).toMatch(/at .*fault\.mjs:\d+/);
      expect(others).toEqual([]);
      expect(service.output()).not.toContain('cannot start');
    },
  );

  it('ends it soon, also where DRAIN_GRACE_MS is long', { timeout: 60_000 }, async () => {
    const env = { DRAIN_GRACE_MS: '600000', CONNECT_TIMEOUT_MS: '60000' };
    const service = await start('exception', env);
    // As many as would take 15 s, one in a step.
    const url = `ws://127.0.0.1:${service.port}/socket.io/?EIO=4&transport=websocket`;
    const sockets = Array.from({ length: 600 }, () => new WebSocket(url));
    await Promise.all(sockets.map((socket) => once(socket, 'message', 30_000)));
    const codes = Promise.all(sockets.map((socket) => once<[number]>(socket, 'close', 30_000)));
    const begun = performance.now();
    service.kill('SIGUSR2');
    expect(await service.exited).toBe(1);
    expect(performance.now() - begun).toBeLessThan(12_000);
    // 1006: without a word, as those of a process that was killed.
    expect((await codes).filter(([code]) => code === 1006)).toEqual([]);
  });

  it('that comes a thousand times does not fill the log', async () => {
    const service = await start('storm');
    service.kill('SIGUSR2');
    expect(await service.exited).toBe(1);
    expect(fatalLines(service).length).toBe(10);
  });

  it('in a worker ends that worker, which is replaced', { timeout: 60_000 }, async () => {
    const env = { WORKERS: '2', REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
    const service = await start('exception', env);
    const [victim = 0] = await workerPids(service);
    process.kill(victim, 'SIGUSR2');
    await waitFor(() => service.output().includes('a worker has ended by itself'), {
      what: 'the end of the worker',
    });
    expect(fatalLines(service).length).toBe(1);
    expect(service.output()).toMatch(/"how":"exit code 1"/);
    await waitFor(async () => (await workerPids(service)).length === 2, {
      what: 'the successor',
      timeoutMs: 30_000,
    });
    expect(await workersBelow(service.pid)).not.toContain(victim);
    service.kill('SIGTERM');
    expect(await service.exited).toBe(0);
  });

  it('in the supervisor ends the service and its workers', { timeout: 60_000 }, async () => {
    const env = { WORKERS: '2', REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
    const service = await start('rejection', env);
    service.kill('SIGUSR2');
    expect(await service.exited).toBe(1);
    expect(fatalLines(service).length).toBe(1);
    expect(await workersBelow(service.pid)).toEqual([]);
  });
});
