/** SIGHUP: every worker is replaced under traffic, and nobody notices more than a reconnection. */
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';
import { client, listen, running, scrapeUntil, sendSurely, upTo, workerPids } from './support.ts';

const LISTENERS = 12;
const TIMEOUT_MS = 120_000;

let db: TestDatabase;
let service: ServiceProcess;
let people: TestPerson[];
let conversation_id: string;

beforeAll(async () => {
  db = await createTestDatabase();
  service = await startService({
    WORKERS: '2',
    DATABASE_URL: db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    DRAIN_GRACE_MS: '200',
  });
  people = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
  conversation_id = await createConversation(db.sql, people);
});
afterAll(async () => {
  await service?.discard();
  await db?.drop();
});

const times = (words: string): number => service.output().split(words).length - 1;

it(
  'loses, doubles and reorders nothing, and lets everybody in',
  async () => {
    const [alice, bob] = people as [TestPerson, TestPerson];
    const old = await workerPids(service);
    const sockets: Socket[] = [];
    const open = (n: number): Socket => {
      const socket = client(service, n % 2 === 0 ? alice : bob);
      sockets.push(socket);
      return socket;
    };
    const heard = upTo(LISTENERS).map((n) => listen(open(n), conversation_id));
    await Promise.all(sockets.map(connected));

    let talking = true;
    const seqs: number[] = [];
    const talk = async (socket: Socket): Promise<void> => {
      while (talking) seqs.push(await sendSurely(socket, conversation_id, `${seqs.length}`));
    };
    let newcomers = 0;
    const arrive = async (): Promise<void> => {
      while (talking) {
        const socket = open(newcomers);
        // Through any number of attempts: the stock client goes on by itself.
        await waitFor(() => socket.connected, { what: 'a newcomer', timeoutMs: 30_000 });
        newcomers += 1;
        socket.close();
      }
    };
    const busy = [talk(open(0)), talk(open(1)), arrive()];
    await waitFor(() => seqs.length > 20, { what: 'traffic' });

    // Those that come during the first are one more together.
    service.kill('SIGHUP');
    await waitFor(() => times('rolling restart: begins') === 1, { what: 'the beginning' });
    for (let n = 0; n < 3; n += 1) service.kill('SIGHUP');
    await waitFor(() => times('rolling restart: done') === 2, {
      what: 'the end',
      timeoutMs: 60_000,
    });
    const before = seqs.length;
    await waitFor(() => seqs.length > before + 20, { what: 'traffic after it' });
    talking = false;
    await Promise.all(busy);

    expect(newcomers).toBeGreaterThan(10);
    expect(seqs.toSorted((a, b) => a - b)).toEqual(upTo(seqs.length));
    for (const list of heard) {
      await waitFor(() => list.length >= seqs.length, { what: 'every message' });
      expect(list.map(({ seq }) => seq)).toEqual(upTo(seqs.length));
    }
    expect(times('rolling restart: begins')).toBe(2);
    expect(await running(old)).toEqual([]);
    const now = await workerPids(service);
    expect(now.filter((pid) => old.includes(pid))).toEqual([]);

    // What the predecessors counted is still counted, and none of this was a failure.
    const all = 'messaging_sends_total{outcome="stored"}';
    const { figure } = await scrapeUntil(service, ({ figure: of }) => of(all) >= seqs.length);
    expect(figure(all)).toBe(seqs.length);
    expect(figure('messaging_worker_restarts_total')).toBe(0);
    expect(figure('messaging_workers_running')).toBe(2);
    for (const socket of sockets) socket.close();
  },
  TIMEOUT_MS,
);
