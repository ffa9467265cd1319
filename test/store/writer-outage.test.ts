import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import {
  draft,
  type Node,
  newRoom,
  openDatabase,
  openNode,
  type Room,
  rowsOf,
  stored,
  upTo,
} from './writer-setting.ts';

const SEND_DEADLINE_MS = 1500;

let server: OwnPostgres;
let sql: postgres.Sql;
let node: Node;
let room: Room;

beforeAll(async () => {
  server = await startOwnPostgres();
  await migrate({ databaseUrl: server.url });
});

beforeEach(async () => {
  sql = postgres(server.url, { max: 2, onnotice: () => undefined });
  room = await newRoom(sql);
  node = openNode(server.url, {
    sendDeadlineMs: SEND_DEADLINE_MS,
    attemptDeadlineMs: 500,
    maxQueue: 100,
  });
  stored(await node.writer.append(draft(room)));
});

afterEach(async () => {
  await server.thaw();
  await server.start();
  await node.writer.drain(1000);
  await node.database.close(1000);
  await sql.end({ timeout: 1 });
});

afterAll(async () => {
  await server.stop();
});

/** Sends until one is stored; tells how long that took. */
async function timeToStored(): Promise<number> {
  const startedAt = performance.now();
  await waitFor(() => node.writer.append(draft(room)).then(stored), {
    what: 'a message to be stored',
    timeoutMs: 20_000,
  });
  return performance.now() - startedAt;
}

async function expectGapless(): Promise<void> {
  const rows = await rowsOf(sql, room);
  expect(rows.map((row) => row.seq)).toEqual(upTo(rows.length));
}

describe('PostgreSQL frozen with its children', () => {
  test('senders hear 503 at the deadline, what waits is bounded, and it resumes by itself', async () => {
    const before = await rowsOf(sql, room);
    await server.freeze();
    const startedAt = performance.now();
    const results = await Promise.allSettled(upTo(150).map(() => node.writer.append(draft(room))));
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(SEND_DEADLINE_MS - 100);
    expect(tookMs).toBeLessThan(SEND_DEADLINE_MS + 3000);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(node.writer.stats()).toMatchObject({ unanswered: 0, unansweredBytes: 0, waiting: 0 });
    const reader = openDatabase(server.url, { queryDeadlineMs: 500 });
    await expect(reader.query((each) => each`SELECT 1`)).rejects.toMatchObject({
      code: 'unavailable',
    });
    await server.thaw();
    // Issue: within 2 s; the margin is for a busy machine.
    expect(await timeToStored()).toBeLessThan(6000);
    await waitFor(() => reader.query((each) => each`SELECT 1`), { what: 'reads to resume' });
    await reader.close(1000);
    await expectGapless();
    expect((await rowsOf(sql, room)).slice(0, before.length)).toEqual(before);
  });

  test('with a message on its way: refused is refused, also when PostgreSQL comes to it later', async () => {
    await server.freeze();
    const send = node.writer.append(draft(room, { content: 'too late' }));
    await expect(send).rejects.toMatchObject({ code: 'unavailable' });
    await server.thaw();
    await timeToStored();
    await waitFor(
      async () => {
        const [row] = await sql<{ busy: number }[]>`
          SELECT count(*)::int AS busy FROM pg_stat_activity
          WHERE application_name = 'messaging-test' AND state = 'active'`;
        return row?.busy === 0;
      },
      { what: 'PostgreSQL to have come to everything' },
    );
    expect((await rowsOf(sql, room)).map(({ content }) => content)).not.toContain('too late');
    await expectGapless();
  });

  test('while batches are in flight: nothing acknowledged is lost, nothing is doubled', async () => {
    const acknowledged: string[] = [];
    let stop = false;
    const send = async () => {
      while (!stop) {
        const message = await node.writer.append(draft(room)).then(stored, () => undefined);
        if (message !== undefined) acknowledged.push(message.id);
      }
    };
    const senders = upTo(10).map(send);
    await waitFor(() => acknowledged.length >= 100, { what: 'traffic' });
    await server.freeze();
    await waitFor(() => node.writer.stats().retries > 0, { what: 'an attempt to be given up' });
    await server.thaw();
    const sofar = acknowledged.length;
    await waitFor(() => acknowledged.length >= sofar + 100, { what: 'traffic again' });
    stop = true;
    await Promise.all(senders);
    const ids = (await rowsOf(sql, room)).map((row) => row.id);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    await expectGapless();
  });
});

describe('PostgreSQL crashed and started again', () => {
  test('what was acknowledged is there, and sends that can wait are stored', async () => {
    const acknowledged = await Promise.all(upTo(50).map(() => node.writer.append(draft(room))));
    const patient = openNode(server.url, { sendDeadlineMs: 20_000 });
    try {
      await server.shutDown('immediate');
      const sends = upTo(20).map(() => patient.writer.append(draft(room)));
      await waitFor(() => patient.writer.stats().retries >= 2, { what: 'attempts to fail' });
      await server.start();
      for (const outcome of await Promise.all(sends)) stored(outcome);
      const ids = (await rowsOf(sql, room)).map((row) => row.id);
      expect(ids).toEqual(expect.arrayContaining(acknowledged.map((each) => stored(each).id)));
      expect(ids).toHaveLength(71);
      await expectGapless();
      expect(await timeToStored()).toBeLessThan(6000);
    } finally {
      await patient.writer.drain(1000);
      await patient.database.close(1000);
    }
  });
});
