// The plans of the queries that must not grow with the tables, on tables large enough for the
// planner to have a choice.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Explained, explaining } from '../../bench/harness/explain.ts';
import { MAX_SHARED_LOOK, MAX_UNREAD_LOOK } from '../../src/bounds/store.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
import {
  createStoreFixture,
  nobody,
  openDatabase,
  openStore,
  type StoreFixture,
} from './fixture.ts';

const MESSAGES = 20_000;
const CONVERSATIONS = 8_000;
const PAGE = 20;
const SEED_TIMEOUT_MS = 120_000;

let f: StoreFixture;
let reader: CanonicalId;
let big: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  reader = await f.user('Reader');
  await f.sql`
    INSERT INTO auth.users (id, name)
    SELECT md5('u' || n)::uuid, 'user ' || n FROM generate_series(1, 2000) n`;
  big = await f.conversation([reader]);
  await f.post(big, reader, MESSAGES);
  await f.sql`
    INSERT INTO messaging.conversations (id, last_message_at, last_seq)
    SELECT md5('c' || n)::uuid, '2024-01-01'::timestamp + n * interval '1 hour', 1
    FROM generate_series(1, ${CONVERSATIONS}::int) n`;
  await f.sql`
    INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    SELECT md5('c' || n)::uuid, p
    FROM generate_series(1, ${CONVERSATIONS}::int) n,
      LATERAL (VALUES (${reader}::uuid), (md5('u' || 1 + n % 2000)::uuid)) AS x (p)`;
  await f.sql`
    INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
    SELECT ${reader}::uuid, md5('c' || n)::uuid, 'hello', 1
    FROM generate_series(1, ${CONVERSATIONS}::int) n`;
  await f.sql`VACUUM ANALYZE`;
}, SEED_TIMEOUT_MS);
afterAll(() => f.close());

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** The plan nodes of the statement that `ask` makes, run with the planner's `mode`. */
async function planOf(ask: (database: Database) => Promise<unknown>, mode: string) {
  const url = new URL(f.url);
  url.search = `options=${encodeURIComponent(`-c plan_cache_mode=${mode}`)}`;
  const database = openDatabase(url.href, 1);
  try {
    const explained: Explained = explaining(database, '(ANALYZE, TIMING OFF, FORMAT JSON)');
    await ask(explained.database);
    const [{ Plan: plan }] = JSON.parse(explained.plans[0] ?? '') as [{ Plan: PlanNode }];
    return nodesOf(plan);
  } finally {
    await database.close(1_000);
  }
}

/** Rows a node touched, those its filter threw away included. */
function touched(node: PlanNode): number {
  const loops = node['Actual Loops'] ?? 1;
  return ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * loops;
}

const sequentialOn = (nodes: PlanNode[], table: string): PlanNode[] =>
  nodes.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === table);

const history = (offset: number) => (database: Database) =>
  openStore(database).readHistory({
    conversationId: big,
    viewerId: reader,
    limit: PAGE,
    place: { offset },
  });

describe('a page of history', () => {
  it.each([
    ['at the head', 0],
    ['in the middle', MESSAGES / 2],
    ['at the depth', MESSAGES - PAGE],
  ])('%s touches the rows of the page, through the index', async (_, offset) => {
    const nodes = await planOf(history(offset), 'auto');
    const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
    expect(messages.map((node) => node['Index Name'])).toEqual(['idx_messages_conversation_id']);
    expect(messages.map(touched)).toEqual([PAGE]);
  });

  it.each([
    ['before a seq', { beforeSeq: 10_000 }],
    ['after a seq', { afterSeq: 10_000 }],
  ])('%s as well', async (_, place) => {
    const nodes = await planOf(
      (database) =>
        openStore(database).readHistory({
          conversationId: big,
          viewerId: reader,
          limit: PAGE,
          place,
        }),
      'auto',
    );
    const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
    expect(messages.map((node) => node['Index Name'])).toEqual(['idx_messages_conversation_id']);
    expect(messages.map(touched)).toEqual([PAGE]);
  });

  it.each(['force_generic_plan', 'force_custom_plan'])(
    'shared by several touches the rows of each (%s)',
    async (mode) => {
      const pages = 10;
      const nodes = await planOf((database) => {
        const { readHistory } = openStore(database);
        const at = { conversationId: big, viewerId: reader, limit: PAGE };
        const offsets = Array.from({ length: pages }, (_, n) => n * PAGE);
        return Promise.all(offsets.map((offset) => readHistory({ ...at, place: { offset } })));
      }, mode);
      const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
      expect(messages.map((node) => node['Index Name'])).toEqual(['idx_messages_conversation_id']);
      expect(messages.map(touched)).toEqual([pages * PAGE]);
      expect(sequentialOn(nodes, 'users')).toEqual([]);
      expect(sequentialOn(nodes, 'conversations')).toEqual([]);
    },
  );

  it('reads no message for someone who may not', async () => {
    const nodes = await planOf(
      (database) =>
        openStore(database).readHistory({
          conversationId: big,
          viewerId: nobody,
          limit: PAGE,
          place: { offset: 0 },
        }),
      'auto',
    );
    const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
    expect(messages.map(touched)).toEqual([0]);
  });
});

describe('a page of the list', () => {
  it('touches as many conversations as the page has, in the order of the index', async () => {
    const first = await f.store.listConversations({ userId: reader, limit: PAGE, cursor: null });
    for (const cursor of [null, first?.nextCursor ?? null]) {
      const nodes = await planOf(
        (database) =>
          openStore(database).listConversations({ userId: reader, limit: PAGE, cursor }),
        'auto',
      );
      expect(sequentialOn(nodes, 'conversations')).toEqual([]);
      expect(sequentialOn(nodes, 'conversation_participants')).toEqual([]);
      expect(sequentialOn(nodes, 'messages')).toEqual([]);
      const conversations = nodes.filter((node) => node['Relation Name'] === 'conversations');
      // The page, one to see whether there is more, and the one the cursor came from.
      for (const node of conversations) expect(touched(node)).toBeLessThanOrEqual(PAGE + 2);
      const ordered = nodes.filter(
        (node) => node['Index Name'] === 'idx_conversation_participants_list',
      );
      expect(ordered.length).toBeGreaterThan(0);
    }
  });
});

describe('unread messages', () => {
  // All of them the reader's own: none counts, and each is passed over.
  it('are looked for in the index alone, so many positions and no more', async () => {
    const at = { conversationId: big, userId: reader, lastReadSeq: 0, lastSeq: MESSAGES };
    const nodes = await planOf((database) => openStore(database).readUnread(at), 'auto');
    const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
    expect(messages.map((node) => node['Node Type'])).toEqual(['Index Only Scan']);
    expect(messages.map(touched)).toEqual([MAX_UNREAD_LOOK]);
  });

  it('are not looked for in a shared query when they may be many', async () => {
    for (const [upToSeq, looked] of [
      [MESSAGES - MAX_SHARED_LOOK - 1, 0],
      [MESSAGES - MAX_SHARED_LOOK, MAX_SHARED_LOOK],
    ] as const) {
      await f.store.markRead({ conversationId: big, userId: reader, upToSeq });
      const nodes = await planOf(
        (database) => openStore(database).readStanding(big, reader),
        'auto',
      );
      const messages = nodes.filter((node) => node['Relation Name'] === 'messages');
      // The one is the message at the head.
      expect(messages.map(touched)).toEqual([1, looked]);
    }
  });
});
