/** The service behind a real PgBouncer with its defaults, and with a database whose owner has other defaults. */
import { afterEach, describe, expect, it } from 'vitest';
import { checkPostgres } from '../../src/doctor/postgres-check.ts';
import { migrate } from '../../src/store/migrate.ts';
import { requireSessions } from '../../src/store/pooler.ts';
import { ask, connected, startTestApp } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { programPath } from '../support/programs.ts';
import { usePeople } from '../support/scene.ts';

const binary = await programPath('pgbouncer');
const SENDS = 40;

describe.skipIf(binary === undefined)('behind PgBouncer', () => {
  const scene = usePeople();
  let bouncer: PgBouncer | undefined;
  afterEach(() => bouncer?.stop());

  const through = async (
    mode: Parameters<typeof startPgBouncer>[2],
    url = scene.db.url,
    settings: Record<string, string | number> = {},
  ) => {
    bouncer = await startPgBouncer(binary ?? '', url, mode, settings);
    return bouncer.url;
  };

  it('in session mode: migrates, chats, marks and reads', async () => {
    const fresh = await createTestDatabase({ migrate: false });
    try {
      const { applied } = await migrate({ databaseUrl: await through('session', fresh.url) });
      expect(applied.length).toBeGreaterThan(0);
    } finally {
      await bouncer?.stop();
      await fresh.drop();
    }
    const app = await startTestApp(await through('session'));
    try {
      const conversation_id = await scene.conversation();
      const [alice, bob] = [app.connect(scene.alice.id), app.connect(scene.bob.id)];
      await Promise.all([connected(alice), connected(bob)]);
      const heard: number[] = [];
      bob.on('new_message', ({ seq }: { seq: number }) => heard.push(seq));
      await ask(bob, 'join_conversation', { conversation_id });
      const answers = await Promise.all(
        Array.from({ length: SENDS }, (_, n) =>
          ask(alice, 'send_message', { conversation_id, content: `${n}` }),
        ),
      );
      expect(answers.every(({ success }) => success)).toBe(true);
      const read = await ask(bob, 'mark_read', { conversation_id });
      expect(read.data).toMatchObject({ last_read_seq: SENDS, marked: SENDS });
      expect(heard).toEqual(Array.from({ length: SENDS }, (_, n) => n + 1));
      const page = await fetch(`${app.url}/messages/${conversation_id}`, {
        headers: { 'x-user-id': scene.bob.id },
      });
      expect(page.status).toBe(200);
    } finally {
      await app.stop();
    }
  });

  it.each(['transaction', 'statement'] as const)(
    'in %s mode: refused in one sentence',
    async (mode) => {
      const url = await through(mode);
      const refused = /pooler that lends a connection for a transaction only.*pool_mode = session/;
      await expect(migrate({ databaseUrl: url })).rejects.toThrow(refused);
      const found = await checkPostgres({ url, poolMax: 2, nodes: 1, connectTimeoutMs: 5_000 });
      expect(found).toEqual([expect.objectContaining({ found: expect.stringMatching(refused) })]);
    },
  );

  it('that lends its sessions in turn is refused as well', async () => {
    const settings = { server_round_robin: 1, min_pool_size: 3 };
    const url = await through('transaction', scene.db.url, settings);
    await expect(requireSessions(url, 5_000)).rejects.toThrow(/pool_mode = session/);
  });

  it('that has one session only refuses nobody for it', async () => {
    const url = await through('session', scene.db.url, { default_pool_size: 1 });
    await requireSessions(url, 500);
  });
});

describe('where the owner of the database has other defaults', () => {
  const scene = usePeople();

  it('text means what it means elsewhere', async () => {
    const name = new URL(scene.db.url).pathname.slice(1);
    const odd: Record<string, string> = {
      DateStyle: 'SQL, DMY',
      IntervalStyle: 'iso_8601',
      array_nulls: 'off',
      TimeZone: 'Asia/Kolkata',
      standard_conforming_strings: 'off',
      search_path: 'nowhere',
      default_transaction_isolation: 'serializable',
      client_encoding: 'LATIN1',
    };
    for (const [setting, value] of Object.entries(odd)) {
      await scene.db.sql.unsafe(`ALTER DATABASE "${name}" SET ${setting} = '${value}'`);
    }
    const app = await startTestApp(scene.db.url);
    try {
      const conversation_id = await scene.conversation();
      const alice = app.connect(scene.alice.id);
      await connected(alice);
      // The second draft of a batch has no media_url: an array with a null in it.
      const sent = await Promise.all(
        ['back\\slash é', 'null'].map((content) =>
          ask(alice, 'send_message', { conversation_id, content }),
        ),
      );
      const asked = await fetch(`${app.url}/messages/${conversation_id}`, {
        headers: { 'x-user-id': scene.alice.id },
      });
      const { data } = (await asked.json()) as { data: { messages: object[] } };
      expect(data.messages).toEqual(sent.map((answer) => answer.data));
      expect(sent.map(({ data: message }) => message.media_url)).toEqual([null, null]);
      const ageMs = Date.now() - Date.parse(String(sent[0]?.data.created_at));
      expect(Math.abs(ageMs)).toBeLessThan(60_000);
    } finally {
      await app.stop();
    }
  });
});
