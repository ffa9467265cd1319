// Which partitions the product's own statements touch. Plans are generic, as the writer's session
// forces them: the conversation is not known when they are made, and partitions are left out while
// they run.

import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explaining } from '../../bench/harness/explain.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { appendMessages, WRITER_SETTINGS } from '../../src/store/append-statements.ts';
import { moveCursor } from '../../src/store/cursors.ts';
import type { Database, Sql } from '../../src/store/database.ts';
import { createStoreFixture, openDatabase, openStore, type StoreFixture } from './fixture.ts';
import { PARTITIONS, partition, partitionOf } from './partitioned-setting.ts';
import { draft, upTo } from './writer-setting.ts';

const CONVERSATIONS = 40;
const MESSAGES = 200;
const SETUP_MS = 60_000;

let f: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;
let talks: CanonicalId[];
let talk: CanonicalId;
let home: string;

beforeAll(async () => {
  f = await createStoreFixture();
  [alice, bob] = [await f.user('Alice'), await f.user('Bob')];
  talks = await Promise.all(upTo(CONVERSATIONS).map(() => f.conversation([alice, bob])));
  for (const each of talks) await f.post(each, bob, MESSAGES);
  await partition(f.sql);
  await f.sql`VACUUM ANALYZE`;
  talk = talks[0] ?? newId();
  home = await partitionOf(f.sql, talk);
}, SETUP_MS);
afterAll(() => f.close());

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Loops': number;
  Plans?: PlanNode[];
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

const isPartition = (name: string | undefined) => /^messages_p\d+$/.test(name ?? '');

/** The partitions that the statements of `ask` read, by EXPLAIN ANALYZE; every one by an index. */
async function partitionsRead(ask: (database: Database) => Promise<unknown>): Promise<string[]> {
  const url = new URL(f.url);
  const settings = Object.entries(WRITER_SETTINGS).map(([name, value]) => `-c ${name}=${value}`);
  url.search = `options=${encodeURIComponent(settings.join(' '))}`;
  const database = openDatabase(url.href, 1);
  try {
    const { database: explained, plans } = explaining(database, '(ANALYZE, FORMAT JSON)');
    await ask(explained);
    const nodes = plans.flatMap((text) => {
      const [{ Plan: plan }] = JSON.parse(text) as [{ Plan: PlanNode }];
      return nodesOf(plan);
    });
    const read = nodes.filter(
      (node) => isPartition(node['Relation Name']) && node['Actual Loops'] > 0,
    );
    expect(read.filter((node) => node['Node Type'] === 'Seq Scan')).toEqual([]);
    return [...new Set(read.map((node) => node['Relation Name'] ?? ''))].sort();
  } finally {
    await database.close(1_000);
  }
}

/** The partitions touched inside `work`'s transaction, foreign keys and cascades included. */
async function partitionsTouched(work: (sql: postgres.TransactionSql) => Promise<unknown>) {
  // A connection of its own: what another transaction did on it may not have been counted yet.
  const connection = await f.sql.reserve();
  try {
    await connection`BEGIN`;
    await connection`SELECT pg_stat_force_next_flush()`;
    await connection`COMMIT`;
    await connection`BEGIN`;
    for (const [name, value] of Object.entries(WRITER_SETTINGS)) {
      await connection`SELECT set_config(${name}, ${value}, true)`;
    }
    await work(connection as unknown as postgres.TransactionSql);
    const rows = await connection<{ name: string; touched: boolean }[]>`
      SELECT relname AS name,
        coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd + n_tup_del > 0 AS touched
      FROM pg_stat_xact_user_tables WHERE relname ~ '^messages_p[0-9]+$' ORDER BY relname`;
    expect(rows).toHaveLength(PARTITIONS);
    await connection`ROLLBACK`;
    return rows.filter(({ touched }) => touched).map(({ name }) => name);
  } finally {
    connection.release();
  }
}

describe('one partition is read by', () => {
  const page = { limit: 20 };
  const cases: [string, (database: Database) => Promise<unknown>][] = [
    ...[{ offset: 0 }, { offset: 100 }, { beforeSeq: 50 }, { afterSeq: 50 }].map(
      (place): [string, (database: Database) => Promise<unknown>] => [
        `a page of history at ${JSON.stringify(place)}`,
        (on) =>
          openStore(on).readHistory({ ...page, conversationId: talk, viewerId: alice, place }),
      ],
    ),
    ['a standing with its unread count', (on) => openStore(on).readStanding(talk, alice)],
    [
      'a range that fills a hole',
      (on) =>
        openStore(on).readRange({ conversationId: talk, afterSeq: 10, upToSeq: 20, limit: 10 }),
    ],
  ];
  it.each(cases)('%s', async (_, ask) => {
    expect(await partitionsRead(ask)).toEqual([home]);
  });

  it.each([
    ['a send, with its locks, look-ups, foreign keys and indexes', false],
    ['a send that an earlier attempt may have stored', true],
  ])('%s', async (_, unsure) => {
    const sent = draft({ id: talk, members: [bob] }, { clientMessageId: 'a key' });
    const touched = await partitionsTouched(async (transaction) => {
      const sql = transaction as unknown as Sql;
      const orders = { waits: false, unsure, deadlineMsOf: () => Number.MAX_SAFE_INTEGER };
      const [row] = await appendMessages(sql, [talk], [sent], orders);
      expect({ ...row, seq: Number(row && 'seq' in row ? row.seq : 0) }).toMatchObject({
        outcome: 'stored',
        seq: MESSAGES + 1,
      });
    });
    expect(touched).toEqual([home]);
  });

  it.each(['read', 'delivered'] as const)('a mark of what was %s', async (cursor) => {
    const mark = { conversationId: talk, userId: alice, upToSeq: 50 };
    const touched = await partitionsTouched(async (transaction) => {
      const move = await moveCursor(transaction as unknown as Sql, cursor, mark, false);
      expect(move?.outcome).toBe('moved');
    });
    expect(touched).toEqual([home]);
  });

  it('a conversation’s deletion', async () => {
    const touched = await partitionsTouched(
      (sql) => sql`DELETE FROM messaging.conversations WHERE id = ${talk}`,
    );
    expect(touched).toEqual([home]);
  });
});

describe('as many partitions as there are conversations on the page are read by', () => {
  it('a page of the list, with last messages and unread counts', async () => {
    const page = await f.store.listConversations({ userId: alice, limit: 2, cursor: null });
    const homes = new Set<string>();
    for (const { id } of page?.conversations ?? []) homes.add(await partitionOf(f.sql, id));
    // One more than asked for is looked at, to see whether there is a next page.
    const read = await partitionsRead((on) =>
      openStore(on).listConversations({ userId: alice, limit: 1, cursor: null }),
    );
    expect(read).toEqual([...homes].sort());
  });
});
