/** What a database must take before the service listens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/shared/ids.ts';
import { prepareDatabase } from '../../src/store/prepare.ts';
import { createStoreFixture, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
beforeAll(async () => {
  f = await createStoreFixture();
});
afterAll(() => f.close());

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const prepare = () =>
  prepareDatabase({ databaseUrl: f.url, demoData: false, connectTimeoutMs: 5_000, log: silent });

const rows = async () => {
  const [counted] = await f.sql`
    SELECT (SELECT count(*) FROM messaging.messages) + (SELECT count(*) FROM messaging.conversations)
      + (SELECT count(*) FROM messaging.notices) AS n`;
  return Number(counted?.n);
};

describe('a database that would refuse messages is refused at the start', () => {
  it.each([
    [
      'a column of somebody else’s that must not be null',
      'ALTER TABLE messaging.messages ADD COLUMN tenant UUID NOT NULL',
      'ALTER TABLE messaging.messages DROP COLUMN tenant',
      /^A message cannot be stored in this database: null value in column "tenant"/,
    ],
    [
      'a column that was made too narrow',
      'ALTER TABLE messaging.messages ALTER COLUMN client_message_id TYPE VARCHAR(8)',
      'ALTER TABLE messaging.messages ALTER COLUMN client_message_id TYPE VARCHAR(64)',
      /value too long for type character varying\(8\)/,
    ],
    [
      'a trigger that is disabled',
      'ALTER TABLE messaging.conversation_participants DISABLE TRIGGER count_membership_delete',
      'ALTER TABLE messaging.conversation_participants ENABLE TRIGGER count_membership_delete',
      /lacks triggers, or they are disabled \(conversation_participants.count_membership_delete\)/,
    ],
    [
      'a trigger that fires for replicas only',
      'ALTER TABLE messaging.conversations ENABLE REPLICA TRIGGER place_conversation',
      'ALTER TABLE messaging.conversations ENABLE TRIGGER place_conversation',
      /\(conversations.place_conversation\)/,
    ],
  ])('%s', async (_what, spoil, mend, sentence) => {
    for (const people of [0, 1]) {
      if (people > 0) await f.user('Alice');
      await f.sql.unsafe(spoil);
      await expect(prepare()).rejects.toThrow(sentence);
      await f.sql.unsafe(mend);
      const before = await rows();
      await prepare();
      // Nothing stays of the trial.
      expect(await rows()).toBe(before);
      await f.sql`DELETE FROM auth.users`;
    }
  });
});

describe('roles of other services', () => {
  it('may add and remove participants with a right on that table alone', async () => {
    const role = `other_${newId().replaceAll('-', '')}`;
    const [alice, bob] = [await f.user('Alice'), await f.user('Bob')];
    const id = await f.conversation([alice]);
    const [before] = await f.store.readHeads([id]);
    await f.sql.unsafe(`CREATE ROLE ${role}`);
    try {
      await f.sql.unsafe(`GRANT USAGE ON SCHEMA messaging TO ${role}`);
      await f.sql.unsafe(
        `GRANT SELECT, INSERT, DELETE ON messaging.conversation_participants TO ${role}`,
      );
      await f.sql.begin(async (transaction) => {
        await transaction.unsafe(`SET LOCAL search_path = ''`);
        await transaction.unsafe(`SET LOCAL ROLE ${role}`);
        await transaction`
          INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
          VALUES (${id}, ${bob})`;
        await transaction`
          DELETE FROM messaging.conversation_participants WHERE participant_id = ${alice}`;
      });
      const [after] = await f.store.readHeads([id]);
      expect(after?.membersVersion).toBe((before?.membersVersion ?? 0) + 2);
    } finally {
      await f.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('may delete a person, with no right on our tables and no search_path', async () => {
    const role = `owner_${newId().replaceAll('-', '')}`;
    const [alice, bob] = [await f.user('Alice'), await f.user('Bob')];
    const id = await f.conversation([alice, bob]);
    await f.post(id, alice, 1);
    const before = await f.store.readHeads([id]);
    await f.sql.unsafe(`CREATE ROLE ${role}`);
    try {
      await f.sql.unsafe(`GRANT USAGE ON SCHEMA auth TO ${role}`);
      await f.sql.unsafe(`GRANT SELECT, DELETE ON auth.users TO ${role}`);
      await f.sql.begin(async (transaction) => {
        await transaction.unsafe(`SET LOCAL search_path = ''`);
        await transaction.unsafe(`SET LOCAL ROLE ${role}`);
        await transaction`DELETE FROM auth.users WHERE id = ${bob}`;
      });
      const [head] = await f.store.readHeads([id]);
      expect(head?.membersVersion).toBe((before[0]?.membersVersion ?? 0) + 1);
      // Who has sent something stays: the messages refer to them.
      const refused = f.sql.begin(async (transaction) => {
        await transaction.unsafe(`SET LOCAL ROLE ${role}`);
        await transaction`DELETE FROM auth.users WHERE id = ${alice}`;
      });
      await expect(refused).rejects.toMatchObject({ code: '23503', table_name: 'messages' });
      // Without their messages they can be removed, and the conversation goes on around the rows.
      await f.sql`DELETE FROM messaging.messages WHERE sender_id = ${alice}`;
      await f.sql`DELETE FROM auth.users WHERE id = ${alice}`;
      expect(await f.store.readHeads([id])).toMatchObject([{ lastSeq: 1 }]);
    } finally {
      await f.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

it.each([
  [true, 'PostgreSQL cannot be used (the embedded one, in DATA_DIR): '],
  [false, 'PostgreSQL cannot be used (DATABASE_URL): '],
])(
  'one of our own (%s) that cannot be reached is named by what there is of it',
  async (own, words) => {
    const databaseUrl = 'postgres://postgres@127.0.0.1:1/x';
    await expect(
      prepareDatabase({ databaseUrl, demoData: own, connectTimeoutMs: 5_000, log: silent }),
    ).rejects.toThrow(words);
  },
);
