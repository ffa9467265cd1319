// Changes of participants that others make, beside the service: nobody may end in a deadlock.

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CanonicalId } from '../../src/shared/ids.ts';
import { waitFor } from '../support/wait.ts';
import { createStoreFixture, nobody, type StoreFixture } from './fixture.ts';

let fixture: StoreFixture;
let alice: CanonicalId;
/** Connections of other programs. */
let others: postgres.Sql;
beforeAll(async () => {
  fixture = await createStoreFixture();
  others = postgres(fixture.url, { max: 4 });
  alice = await fixture.user('Alice');
});
afterAll(async () => {
  await others.end();
  await fixture.close();
});

const lock = (sql: postgres.TransactionSql, id: CanonicalId) =>
  sql`SELECT FROM messaging.conversations WHERE id = ${id} FOR NO KEY UPDATE`;

/** Resolves once `count` sessions of this database wait for a lock. */
const waiting = (count: number) =>
  waitFor(
    async () => {
      const rows = await fixture.sql`
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return rows.length === count;
    },
    { what: `${count} sessions to wait for a lock` },
  );

test('two inserts of participants into one conversation', async () => {
  const conversation = await fixture.conversation([alice]);
  const people = [await fixture.user(), await fixture.user()];
  const insert = (id: CanonicalId) =>
    others`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      VALUES (${conversation}, ${id})`.execute();
  const inserts = await others.begin(async (holder) => {
    await lock(holder, conversation);
    const started = Promise.allSettled(people.map(insert));
    await waiting(2);
    return { started };
  });
  const results = await inserts.started;
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  expect(await fixture.store.readHeads([conversation])).toMatchObject([{ membersVersion: 3 }]);
});

test('the deletion of a user beside a send to two of their conversations', async () => {
  const bob = await fixture.user('Bob');
  const made = [
    await fixture.conversation([alice, bob]),
    await fixture.conversation([alice, bob]),
    await fixture.conversation([alice, bob]),
  ];
  const [first = nobody, second = nobody, third = nobody] = made.sort();
  // Whatever order the table has: the rows of the later ids come first in it now.
  for (const id of [third, second, first]) {
    await fixture.sql`UPDATE messaging.conversations SET created_at = created_at WHERE id = ${id}`;
  }
  const deletion = await others.begin(async (sender) => {
    await lock(sender, first);
    const started = Promise.allSettled([
      others`DELETE FROM auth.users WHERE id = ${bob}`.execute(),
    ]);
    await waiting(1);
    await lock(sender, second);
    await lock(sender, third);
    return { started };
  });
  expect(await deletion.started).toMatchObject([{ status: 'fulfilled' }]);
});
