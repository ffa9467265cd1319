/**
 * Plans and timings of the list and history queries on a million messages: the product's own
 * statements, through its own database layer, in a database of its own that is removed at the end.
 *
 *   npx tsx bench/programs/history-plans.ts [--messages 1000000] [--rounds 300] [--plans]
 *
 * `DATABASE_URL` names the server (a role that may create databases); default the local one.
 */
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { MAX_WAITING_CALLS, STORE_LIMITS } from '../../src/bounds/store.ts';
import { foldId } from '../../src/shared/ids.ts';
import { createDatabase, type Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createStore } from '../../src/store/store.ts';
import { explaining } from '../harness/explain.ts';

const { values: args } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '300' },
    plans: { type: 'boolean', default: false },
  },
});
const messageCount = Number(args.messages);
const rounds = Number(args.rounds);
const serverUrl = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const databaseName = `bench_history_${process.pid}`;

/** Users of the list: so many conversations each. */
const listSizes = [10, 100, 1000, 5000];
const LIST_PAGE = 20;
const HISTORY_PAGE = 50;
const WARM_UP_ROUNDS = 20;

/** Nothing is sent here: a store that only reads. */
const openStore = (database: Database) =>
  createStore({
    database,
    writer: { append: () => Promise.reject(new Error('This store has no writer.')) },
    limits: STORE_LIMITS,
  });

const alice = foldId('00000000-0000-4000-8000-00000000000a');
const bigConversation = foldId('10000000-0000-4000-8000-000000000000');
const listUser = (size: number) =>
  foldId(`20000000-0000-4000-8000-${String(size).padStart(12, '0')}`);

const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined });
const url = new URL(serverUrl);
url.pathname = `/${databaseName}`;
await admin.unsafe(`CREATE DATABASE ${databaseName}`);
try {
  await migrate({ databaseUrl: url.href });
  await seed();
  for (const plan of ['auto', 'force_generic_plan']) await measure(plan);
} finally {
  await admin.unsafe(`DROP DATABASE IF EXISTS ${databaseName} WITH (FORCE)`);
  await admin.end();
}

async function seed(): Promise<void> {
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  const startedAt = performance.now();
  await sql`INSERT INTO auth.users SELECT id::uuid, 'someone' FROM unnest(${[
    alice,
    ...listSizes.map(listUser),
  ]}::text[]) AS id`;
  await sql`INSERT INTO auth.users SELECT md5('u' || n)::uuid, 'user ' || n FROM generate_series(1, 1000) n`;
  await sql`INSERT INTO messaging.conversations (id, last_seq, last_message_at)
    VALUES (${bigConversation}, ${messageCount}, '2025-06-01')`;
  await sql`INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    SELECT ${bigConversation}::uuid, id FROM (
      SELECT ${alice}::uuid AS id UNION ALL SELECT md5('u' || n)::uuid FROM generate_series(1, 9) n
    ) x`;
  await sql`INSERT INTO messaging.messages (id, sender_id, conversation_id, content, created_at, seq)
    SELECT md5('big' || n)::uuid, md5('u' || 1 + n % 9)::uuid, ${bigConversation}::uuid,
      'message ' || n || repeat(' and so on', 5), timestamp '2025-01-01' + n * interval '1 second', n
    FROM generate_series(1, ${messageCount}::int) n`;
  for (const size of listSizes) {
    const user = listUser(size);
    // Times in an order unlike that of the ids, five messages each, the last two unread.
    await sql`INSERT INTO messaging.conversations (id, last_seq, last_message_at)
      SELECT md5(${user} || n)::uuid, 5, timestamp '2025-01-01' + (n * 7919 % 5003) * interval '7 minutes'
      FROM generate_series(1, ${size}::int) n`;
    await sql`INSERT INTO messaging.conversation_participants
        (conversation_id, participant_id, last_read_seq, last_delivered_seq)
      SELECT md5(${user} || n)::uuid, p, 3, 3
      FROM generate_series(1, ${size}::int) n,
        LATERAL (VALUES (${user}::uuid), (md5('u' || 1 + n % 1000)::uuid)) AS x (p)`;
    await sql`INSERT INTO messaging.messages (sender_id, conversation_id, content, created_at, seq)
      SELECT md5('u' || 1 + n % 1000)::uuid, md5(${user} || n)::uuid, 'hello ' || s,
        timestamp '2025-01-01' + (n * 7919 % 5003) * interval '7 minutes', s
      FROM generate_series(1, ${size}::int) n, generate_series(1, 5) s`;
  }
  await sql`VACUUM ANALYZE`;
  await sql.end();
  console.log(`seeded in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

async function measure(planMode: string): Promise<void> {
  const withMode = new URL(url);
  withMode.search = `options=${encodeURIComponent(`-c plan_cache_mode=${planMode}`)}`;
  const database = createDatabase({
    url: withMode.href,
    poolMax: 1,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: 60_000,
    statementTimeoutMs: 60_000,
    connectTimeoutMs: 5_000,
    idleInTransactionTimeoutMs: 60_000,
    applicationName: 'bench-history',
    log: console,
  });
  const { database: explained, plans } = explaining(database, '(ANALYZE, BUFFERS)');
  const at = { conversationId: bigConversation, viewerId: alice, limit: HISTORY_PAGE };
  const deep = messageCount - HISTORY_PAGE;
  const questions: [string, (on: typeof database) => Promise<unknown>][] = [
    ['history head', (on) => openStore(on).readHistory({ ...at, place: { offset: 0 } })],
    ['history middle', (on) => openStore(on).readHistory({ ...at, place: { offset: deep >> 1 } })],
    ['history depth', (on) => openStore(on).readHistory({ ...at, place: { offset: deep } })],
    [
      'history before',
      (on) => openStore(on).readHistory({ ...at, place: { beforeSeq: deep >> 1 } }),
    ],
    ['history after', (on) => openStore(on).readHistory({ ...at, place: { afterSeq: deep >> 1 } })],
    ...listSizes.map((size): [string, (on: typeof database) => Promise<unknown>] => [
      `list of ${size}`,
      (on) =>
        openStore(on).listConversations({ userId: listUser(size), limit: LIST_PAGE, cursor: null }),
    ]),
  ];
  console.log(`\n${planMode}: milliseconds for one call, alone (median, p95; first median = 1)`);
  let base: number | undefined;
  for (const [name, ask] of questions) {
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await ask(database);
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = performance.now();
      await ask(database);
      times.push(performance.now() - startedAt);
    }
    times.sort((a, b) => a - b);
    const median = times[rounds >> 1] ?? Number.NaN;
    const p95 = times[Math.floor(rounds * 0.95)] ?? Number.NaN;
    base = name.endsWith('head') || name === `list of ${listSizes[0]}` ? median : (base ?? median);
    console.log(
      `${name.padEnd(16)} ${median.toFixed(2)}  ${p95.toFixed(2)}  × ${(median / base).toFixed(2)}`,
    );
    if (args.plans && planMode === 'auto') {
      await ask(explained);
      console.log(plans.at(-1));
    }
  }
  await database.close(1000);
}
