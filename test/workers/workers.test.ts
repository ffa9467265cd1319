/** WORKERS=2: one port, two processes, one service. */
import type { Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';
import {
  client,
  clientOn,
  lineTo,
  listen,
  type Message,
  scrape,
  scrapeUntil,
  sendSurely,
  upTo,
  workerPids,
} from './support.ts';

const SLOW_MS = 90_000;

let db: TestDatabase;
let service: ServiceProcess;
let alice: TestPerson;
let bob: TestPerson;
let conversation_id: string;
const clients: Socket[] = [];

beforeAll(async () => {
  // Empty: the supervisor migrates, before any worker is there.
  db = await createTestDatabase({ migrate: false });
  service = await startService({
    WORKERS: '2',
    DATABASE_URL: db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    DRAIN_GRACE_MS: '0',
  });
  alice = await createPerson(db.sql, 'Alice');
  bob = await createPerson(db.sql, 'Bob');
});
afterAll(async () => {
  await service?.discard();
  await db?.drop();
});
beforeEach(async () => {
  conversation_id = await createConversation(db.sql, [alice, bob]);
});
afterEach(() => {
  for (const socket of clients.splice(0)) socket.close();
});

async function on(pid: number, person: TestPerson): Promise<Socket> {
  const socket = await clientOn(service, pid, person);
  clients.push(socket);
  return socket;
}

/** A process that starts, on a machine that has other things to do. */
async function bothRun(): Promise<void> {
  await waitFor(async () => (await scrape(service)).figure('messaging_workers_running') === 2, {
    what: 'the new worker',
    timeoutMs: 60_000,
  });
}

const websockets = 'messaging_connections{transport="websocket"}';

describe('two workers', () => {
  it('take turns on one port, and greet once', async () => {
    const pids = await workerPids(service);
    expect(pids).not.toContain(service.pid);
    expect(service.output().match(/listens on http/g)?.length).toBe(1);
    expect(service.output()).toMatch(/"worker":1[,}]/);
    expect(service.output()).toMatch(/"worker":2[,}]/);
    const migrations = service.output().match(/applied migration 0001/g);
    expect(migrations?.length).toBe(1);
  });

  it('serve REST, and their sockets hear each other', async () => {
    const [first = 0, second = 0] = await workerPids(service);
    const [a, b] = await Promise.all([on(first, alice), on(second, bob)]);
    for (const socket of [a, b]) {
      const answer = await ask(socket, 'join_conversation', { conversation_id });
      expect(answer.success).toBe(true);
    }
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const heard = once<[Message]>(to, 'new_message', 10_000);
      const sent = await ask(from, 'send_message', { conversation_id, content: 'across' });
      expect((await heard)[0]).toEqual(sent.data);
    }
    const both = [a, b].map((socket) => once<[Message]>(socket, 'new_message', 10_000));
    const response = await fetch(`${service.url}/messages/${conversation_id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: alice.id, content: 'REST' }),
    });
    expect(response.status).toBe(201);
    for (const heard of both) expect((await heard)[0]).toMatchObject({ seq: 3, content: 'REST' });
  });
});

describe('a worker is killed', { timeout: SLOW_MS }, () => {
  it('its clients are back, another takes its place, and nothing acknowledged is lost', async () => {
    const [victim = 0, other = 0] = await workerPids(service);
    const [a, b] = await Promise.all([on(victim, alice), on(other, bob)]);
    const heard = [listen(a, conversation_id), listen(b, conversation_id)];
    const seqs: number[] = [];
    const lost = once(a, 'disconnect', 10_000);
    const staying = new Set<string>();
    b.on('disconnect', (reason: string) => staying.add(reason));
    for (let n = 1; n <= 60; n += 1) {
      if (n === 20) process.kill(victim, 'SIGKILL');
      seqs.push(...(await Promise.all([a, b].map((s) => sendSurely(s, conversation_id, `${n}`)))));
    }
    await lost;
    expect([...staying]).toEqual([]);
    expect(seqs.toSorted((x, y) => x - y)).toEqual(upTo(120));
    for (const list of heard) {
      await waitFor(() => list.length >= 120, { what: 'every message' });
      expect(list.map(({ seq }) => seq)).toEqual(upTo(120));
    }
    await bothRun();
    const pids = await workerPids(service);
    expect(pids).toContain(other);
    expect(pids).not.toContain(victim);
    expect((await scrape(service)).figure('messaging_worker_restarts_total')).toBe(1);
    expect(service.output()).toMatch(/"how":"SIGKILL","msg":"a worker has ended by itself"/);
  });
});

describe('/metrics of either worker', { timeout: SLOW_MS }, () => {
  const stored = 'messaging_sends_total{outcome="stored"}';
  const acks = 'messaging_ack_latency_seconds_count';

  it('speaks for both, and no counter falls when one dies', async () => {
    const [first = 0, second = 0] = await workerPids(service);
    const lines = [await lineTo(service, first), await lineTo(service, second)];
    await waitFor(async () => (await scrape(service)).figure(websockets) === 0, {
      what: 'clients of other tests to be gone',
    });
    const before = await scrape(service);
    const sockets = await Promise.all([
      on(first, alice),
      on(first, alice),
      on(first, bob),
      on(second, bob),
    ]);
    for (const [index, socket] of sockets.entries()) {
      await sendSurely(socket, conversation_id, `${index}`);
    }
    for (const line of lines) {
      // Figures are collected at a bounded rate: an answer may be of a moment ago.
      const { figure } = await scrapeUntil(service, ({ figure: of }) => of(websockets) === 4, line);
      expect(figure(stored) - before.figure(stored)).toBe(4);
      expect(figure('messaging_sockets')).toBe(4);
      expect(figure(stored) - before.figure(stored)).toBe(4);
      expect(figure(acks) - before.figure(acks)).toBe(4);
      expect(figure('messaging_workers_wanted')).toBe(2);
      expect(figure('messaging_workers_running')).toBe(2);
      // Not sums: what is so of one is so of all, and one in trouble is to be seen.
      expect(figure('messaging_bus_up')).toBe(1);
      expect(figure('messaging_draining')).toBe(0);
    }
    for (const socket of sockets.slice(0, 3)) socket.close();
    const restarts = before.figure('messaging_worker_restarts_total');
    process.kill(first, 'SIGKILL');
    await waitFor(
      async () => (await scrape(service)).figure('messaging_worker_restarts_total') > restarts,
      { what: 'the restart' },
    );
    const after = await scrapeUntil(service, ({ figure }) => figure(websockets) === 1);
    expect(after.figure(stored)).toBe(before.figure(stored) + 4);
    expect(after.figure(acks)).toBe(before.figure(acks) + 4);
    for (const { agent } of lines) agent.destroy();
    await bothRun();
  });

  it('leaves out a worker that does not answer, and says so', async () => {
    const [silent = 0, other = 0] = await workerPids(service);
    const [one, line] = [await on(silent, alice), await lineTo(service, other)];
    await on(other, bob);
    const { figure: first } = await scrape(service, line);
    await sendSurely(one, conversation_id, 'counted');
    const before = await scrapeUntil(
      service,
      ({ figure }) => figure(websockets) === 2 && figure(stored) > first(stored),
      line,
    );
    process.kill(silent, 'SIGSTOP');
    try {
      const missed = 'messaging_worker_figures_missed_total';
      let slowestMs = 0;
      const { figure } = await scrapeUntil(
        service,
        ({ figure: of, tookMs }) => {
          slowestMs = Math.max(slowestMs, tookMs);
          return of(missed) > before.figure(missed);
        },
        line,
      );
      expect(slowestMs).toBeLessThan(2_000);
      expect(figure(websockets)).toBe(1);
      expect(figure(stored)).toBe(before.figure(stored));
    } finally {
      process.kill(silent, 'SIGCONT');
    }
    await waitFor(async () => (await scrape(service, line)).figure(websockets) === 2, {
      what: 'the worker to speak again',
    });
    line.agent.destroy();
  });
});

describe('many connections', () => {
  it('reach both workers', async () => {
    const sockets = Array.from({ length: 40 }, () => client(service, alice));
    clients.push(...sockets);
    await Promise.all(sockets.map(connected));
    await scrapeUntil(service, ({ figure }) => figure(websockets) === 40);
  });
});
