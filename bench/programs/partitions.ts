/**
 * What partitions of messages cost: the product's own store on one table and on so many partitions
 * (deploy/partitioned.sql), in databases of its own that are removed at the end. A history page, a
 * message alone (one batch of one), and batches of messages of many conversations.
 *
 *   npx tsx bench/programs/partitions.ts [--partitions 1,16,64,256] [--rounds 300]
 *
 * `DATABASE_URL` names the server (a role that may create databases); default the local one.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { MAX_WAITING_CALLS, STORE_LIMITS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import { foldId, NIL_UUID, newId } from '../../src/shared/ids.ts';
import { isStorable } from '../../src/shared/storable-text.ts';
import { createDatabase } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createStore } from '../../src/store/store.ts';
import { createWriter } from '../../src/store/writer.ts';
import { insertRooms, roomsOf } from '../harness/database.ts';
import { spreadOf } from '../harness/result.ts';
import { cpuMsOfAll } from '../load/proc.ts';

const { values: args } = parseArgs({
  options: {
    partitions: { type: 'string', default: '1,16,64,256' },
    rounds: { type: 'string', default: '300' },
  },
});
const rounds = Number(args.rounds);
const serverUrl = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const ROOMS = 1_000;
const BATCH = 500;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

const script = await readFile(new URL('../../deploy/partitioned.sql', import.meta.url), 'utf8');
const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined });
console.log('partitions  history page, ms  message alone, ms  batch: PostgreSQL CPU µs a message');
for (const count of args.partitions.split(',').map(Number)) {
  const name = `bench_partitions_${process.pid}_${count}`;
  await admin.unsafe(`CREATE DATABASE ${name}`);
  try {
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    await measure(url.href, count);
  } finally {
    await admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
  }
}
await admin.end();

async function measure(url: string, partitions: number): Promise<void> {
  await migrate({ databaseUrl: url });
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  if (partitions > 1) await sql.unsafe(`SET messaging.partitions = '${partitions}'; ${script}`);
  const rooms = roomsOf(ROOMS, 2);
  await insertRooms(sql, rooms);
  await sql.end();
  // Once a statement has been used a few times its plan would be generic anyway.
  const generic = new URL(url);
  generic.search = `options=${encodeURIComponent('-c plan_cache_mode=force_generic_plan')}`;
  const database = createDatabase({
    url: generic.href,
    poolMax: 1,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: 60_000,
    statementTimeoutMs: 60_000,
    connectTimeoutMs: 5_000,
    idleInTransactionTimeoutMs: 60_000,
    applicationName: 'bench-partitions',
    log: silent,
  });
  const limits = { ...WRITER_LIMITS, sendDeadlineMs: 60_000, attemptDeadlineMs: 60_000 };
  const writer = createWriter({ database, limits, log: silent });
  const store = createStore({ database, writer, limits: STORE_LIMITS });
  const room = (n: number) => {
    const { conversationId, members: [first] = [] } = rooms[n % ROOMS] ?? {};
    return {
      conversationId: foldId(conversationId ?? NIL_UUID),
      sender: foldId(first ?? NIL_UUID),
    };
  };
  const content = 'Hello, when can we meet, and where?';
  if (!isStorable(content)) throw new Error('what is measured is stored');
  const send = (n: number) =>
    store.appendMessage({
      id: newId(),
      conversationId: room(n).conversationId,
      senderId: room(n).sender,
      content,
      messageType: 'text',
      mediaUrl: null,
      clientMessageId: null,
    });
  const batch = (n: number) =>
    Promise.all(Array.from({ length: BATCH }, (_, i) => send(n * BATCH + i)));
  const page = (n: number) =>
    store.readHistory({
      conversationId: room(n).conversationId,
      viewerId: null,
      limit: 50,
      place: { offset: 0 },
    });
  for (let n = 0; n < 60; n += 1) await batch(n);
  const before = cpuMsOfAll('postgres');
  const batches = Math.ceil(rounds / 3);
  for (let n = 0; n < batches; n += 1) await batch(n);
  const cpuUs = ((cpuMsOfAll('postgres') - before) * 1000) / (batches * BATCH);
  const alone = await median(send);
  const history = await median(page);
  await writer.drain(1_000);
  await database.close(1_000);
  const columns = [String(partitions), history.toFixed(2), alone.toFixed(2), cpuUs.toFixed(1)];
  console.log(columns.map((text) => text.padEnd(16)).join(' '));
}

async function median(ask: (n: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < rounds + 20; n += 1) {
    const startedAt = performance.now();
    await ask(n);
    if (n >= 20) times.push(performance.now() - startedAt);
  }
  return spreadOf(times).median;
}
