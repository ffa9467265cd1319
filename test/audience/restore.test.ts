/** A dump is restored under the running service, by PostgreSQL's own tools. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import type { TestPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { waitFor } from '../support/wait.ts';
import { sendSurely } from '../workers/support.ts';

/** Whatever waits for a database that is being restored gives up soon. */
const DEADLINES = { QUERY_DEADLINE_MS: '1000', SEND_DEADLINE_MS: '1000' };
const run = promisify(execFile);
const tools = await run('pg_restore', ['--version']).then(
  () => true,
  () => false,
);

let directory: string;
let file: string;
const scene = useScene({ settings: { ...DEADLINES, HEAD_CHECK_INTERVAL_MS: '100' } });
let conversation_id: string;
const open: Socket[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'messaging-test-dump-'));
  file = join(directory, 'dump');
});
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function joined(person: TestPerson, after?: number) {
  const client = scene.app.connect(person.id);
  open.push(client);
  await connected(client);
  const answer = await ask(client, 'join_conversation', {
    conversation_id,
    ...(after === undefined ? {} : { after_seq: after }),
  });
  return { client, answer };
}

/** Sent again while it is unavailable, as clients do: a second may be short on a busy machine. */
const say = (client: Socket, content: string) => sendSurely(client, conversation_id, content);

const restore = (...flags: string[]) => run('pg_restore', [...flags, '-d', scene.db.url, file]);

const isReady = async (): Promise<string> => (await fetch(`${scene.app.url}/ready`)).text();

describe.skipIf(!tools)('an older dump is restored', () => {
  it.each([
    ['at once', () => restore('--clean', '--if-exists', '--single-transaction')],
    ['statement by statement', () => restore('--clean', '--if-exists')],
    ['slowly, while people go on talking', restoreSlowly],
  ])(
    '%s: whoever is joined stays, and is told where it stands before anything newer',
    async (_how, restoreIt) => {
      conversation_id = await scene.conversation();
      const { client } = await joined(scene.alice);
      for (let n = 1; n <= 3; n += 1) await say(client, `kept ${n}`);
      await run('pg_dump', ['-Fc', '-f', file, scene.db.url]);
      for (let n = 1; n <= 3; n += 1) await say(client, `lost ${n}`);
      const heard: unknown[] = [];
      client.onAny((event: string, { last_seq, seq }: Record<string, unknown>) => {
        heard.push([event, last_seq ?? seq]);
      });
      await restoreIt(client);
      await waitFor(() => heard.length > 0, { what: 'the resync', timeoutMs: 20_000 });
      expect(await say(client, 'after')).toBe(4);
      await waitFor(() => heard.length > 1, { what: 'the next message' });
      expect(heard).toEqual([
        ['resync', 3],
        ['new_message', 4],
      ]);
      // Up to what was lost, and from what has been heard by nobody who is here.
      expect((await joined(scene.bob, 5)).answer.data).toMatchObject({ resync: true, last_seq: 4 });
    },
    60_000,
  );
});

/** The tables first, then the rows, then keys and triggers, and time between them. */
async function restoreSlowly(client: Socket): Promise<void> {
  await scene.db.sql`DROP SCHEMA messaging, auth, requests CASCADE`;
  await scene.db.sql`DROP EXTENSION "uuid-ossp"`;
  const steps = [['--section=pre-data'], ['--section=data'], ['--section=post-data']];
  for (const flags of steps) {
    await restore(...flags);
    if (flags === steps.at(-1)) return;
    await waitFor(async () => (await isReady()).includes('lacks triggers'), {
      what: '/ready to say so',
    });
    for (const event of ['send_message', 'mark_read', 'message_delivered']) {
      const answer = await ask(client, event, {
        conversation_id,
        content: 'meanwhile',
        up_to_seq: 6,
      });
      expect(answer.error?.code, event).toBe('unavailable');
    }
    expect((await joined(scene.bob)).answer.error?.code).toBe('unavailable');
    expect((await fetch(`${scene.app.url}/messages/conversations/${scene.alice.id}`)).status).toBe(
      503,
    );
  }
}
