/** Tables that somebody alters while the service runs: what it has prepared does not fit any more. */
import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene({ settings: { DATABASE_POOL_MAX: '1' } });
let conversation_id: string;

beforeAll(async () => {
  conversation_id = await scene.conversation();
});

/** Everything that has statements of its own, twice: then they are prepared. */
async function useAll(): Promise<unknown[]> {
  const client = scene.app.connect(scene.alice.id);
  await connected(client);
  const wrong: unknown[] = [];
  for (let turn = 0; turn < 2; turn += 1) {
    for (const [event, more] of [
      ['join_conversation', { after_seq: 0 }],
      ['send_message', { content: 'text', client_message_id: randomUUID() }],
      ['mark_read', {}],
      ['typing_start', {}],
    ] as const) {
      const answer = await ask(client, event, { conversation_id, ...more });
      if (!answer.success) wrong.push([event, answer]);
    }
    for (const path of [
      `/messages/${conversation_id}`,
      `/messages/conversations/${scene.alice.id}`,
    ]) {
      const answer = await fetch(scene.app.url + path);
      if (!answer.ok) wrong.push([path, await answer.json()]);
    }
    const made = await fetch(`${scene.app.url}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ participant_ids: [scene.alice.id, scene.bob.id] }),
    });
    if (!made.ok) wrong.push(['POST /messages', await made.json()]);
  }
  client.close();
  return wrong;
}

it.each([
  'ALTER TABLE messaging.messages ALTER COLUMN message_type TYPE text',
  'ALTER TABLE messaging.messages ALTER COLUMN created_at TYPE timestamp(3)',
  'ALTER TABLE auth.users ALTER COLUMN name TYPE varchar(100)',
  'ALTER TABLE messaging.conversation_participants ADD COLUMN note text',
  'ALTER TABLE messaging.messages ALTER COLUMN seq TYPE int',
  'ALTER TABLE messaging.conversations ALTER COLUMN members_version TYPE int',
])('%s: nobody notices', async (alter) => {
  expect(await useAll()).toEqual([]);
  await scene.db.sql.unsafe(alter);
  expect(await useAll()).toEqual([]);
});

it('columns that are named as what the functions name: nobody notices', async () => {
  const { sql } = scene.db;
  const functions = await sql<{ named: string[]; source: string }[]>`
    SELECT coalesce(proargnames, '{}') AS named, prosrc AS source FROM pg_proc
    WHERE pronamespace = 'messaging'::regnamespace`;
  const names = functions.flatMap(({ named, source }) => {
    const declared = /\bDECLARE\b(.*?)\bBEGIN\b/s.exec(source)?.[1] ?? '';
    return [...named, ...[...declared.matchAll(/^\s+(\w+) [^;]+;/gm)].map(([, name = '']) => name)];
  });
  expect(names).toEqual(expect.arrayContaining(['person', 'place', 'unsure', 'held']));
  for (const table of ['conversations', 'conversation_participants', 'messages']) {
    for (const name of new Set(names)) {
      await sql.unsafe(`ALTER TABLE messaging.${table} ADD COLUMN IF NOT EXISTS "${name}" text`);
    }
  }
  expect(await useAll()).toEqual([]);
});

it('a server that takes no writes any more is left, and found again when it does', async () => {
  const client = scene.app.connect(scene.alice.id);
  await connected(client);
  const send = () =>
    ask(client, 'send_message', { conversation_id, content: 'x', client_message_id: randomUUID() });
  expect((await send()).success).toBe(true);
  const name = new URL(scene.db.url).pathname.slice(1);
  await scene.db.sql.unsafe(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
  // Sessions that are open keep their setting: they are ended, as a demoted server does.
  await scene.db.sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = ${name} AND application_name = 'messaging-service'`;
  expect((await send()).error?.code).toBe('unavailable');
  const ready = await fetch(`${scene.app.url}/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.text()).toContain('takes no writes');
  await scene.db.sql.begin(async (transaction) => {
    await transaction.unsafe('SET LOCAL transaction_read_only = off');
    await transaction.unsafe(`ALTER DATABASE "${name}" RESET default_transaction_read_only`);
  });
  expect((await send()).success).toBe(true);
});
