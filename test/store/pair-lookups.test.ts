// Whether somebody takes part in a conversation is found by the pair, whatever the planner believes:
// here it was last told of the tables when nobody had more than a few conversations.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/chat/ports.ts';
import type { CanonicalId } from '../../src/shared/ids.ts';
import { waitFor } from '../support/wait.ts';
import { createStoreFixture, openDatabase, openStore, type StoreFixture } from './fixture.ts';

const PEOPLE = 2_000;
const CONVERSATIONS = 4_000;
/** What the busy one gets when nobody tells the planner. */
const MANY = 5_000;
/** Enough for PostgreSQL to have gone over to a generic plan. */
const CALLS = 20;
const SETUP_MS = 60_000;

let f: StoreFixture;
let busy: CanonicalId;
let talk: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  await f.sql`ALTER TABLE messaging.conversation_participants SET (autovacuum_enabled = off)`;
  await f.sql`
    INSERT INTO auth.users (id, name)
    SELECT md5('u' || n)::uuid, 'user ' || n FROM generate_series(1, ${PEOPLE}::int) n`;
  await converse('c', CONVERSATIONS, "md5('u' || 1 + n * 7 % 2000)::uuid");
  busy = await f.user('Busy');
  talk = await f.conversation([busy]);
  await f.post(talk, busy, 10);
  await f.sql`VACUUM ANALYZE`;
  await converse('d', MANY, `'${busy}'::uuid`);
}, SETUP_MS);
afterAll(() => f.close());

/** Conversations of two: somebody, and `person` (SQL over n). */
async function converse(prefix: string, count: number, person: string): Promise<void> {
  await f.sql.unsafe(`
    INSERT INTO messaging.conversations (id) SELECT md5('${prefix}' || n)::uuid
    FROM generate_series(1, ${count}) n;
    INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    SELECT md5('${prefix}' || n)::uuid, p
    FROM generate_series(1, ${count}) n,
      LATERAL (VALUES (${person}), (md5('u' || 1 + n % 2000)::uuid)) AS x (p)
    ON CONFLICT DO NOTHING`);
}

/** Rows of participants that PostgreSQL has read so far, in tables and indexes. */
async function participantsRead(): Promise<{ scans: number; rows: number }> {
  const [row] = await f.sql<{ scans: number; rows: number }[]>`
    SELECT (sum(i.idx_scan) + max(t.seq_scan))::int AS scans,
      (sum(i.idx_tup_read) + max(t.seq_tup_read))::int AS rows
    FROM pg_stat_user_indexes i JOIN pg_stat_user_tables t USING (relid)
    WHERE i.relname = 'conversation_participants'`;
  if (row === undefined) throw new Error('no statistics');
  return row;
}

describe('the place of a person with many conversations in one of them', () => {
  const page = { limit: 5 };
  const cases: [string, (store: Store) => Promise<unknown>][] = [
    [
      'before a page of history downwards',
      (store) =>
        store.readHistory({ ...page, conversationId: talk, viewerId: busy, place: { offset: 0 } }),
    ],
    [
      'before a page of history upwards',
      (store) =>
        store.readHistory({
          ...page,
          conversationId: talk,
          viewerId: busy,
          place: { afterSeq: 2 },
        }),
    ],
    ['at a join', (store) => store.readStanding(talk, busy)],
    ['while typing', (store) => store.readParticipant(talk, busy)],
    ['at a check of the members', (store) => store.readMembers(talk, [busy])],
    ['with a mark', (store) => store.markRead({ conversationId: talk, userId: busy, upToSeq: 3 })],
  ];
  it.each(cases)('%s is found without the others', async (_, ask) => {
    const database = openDatabase(f.url, 1);
    const before = await participantsRead();
    for (let call = 0; call < CALLS; call += 1) await ask(openStore(database));
    // A connection leaves its statistics when it ends.
    await database.close(1_000);
    await waitFor(async () => (await participantsRead()).scans >= before.scans + CALLS, {
      what: 'the statistics',
    });
    const after = await participantsRead();
    expect((after.rows - before.rows) / CALLS).toBeLessThan(10);
  });
});
