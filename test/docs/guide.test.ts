/**
 * The programs of `docs/never-lose-a-message.md`, as they stand there, against the service: connections are
 * cut, an acknowledgement is swallowed, tokens end, a client is killed and left too far behind, the database
 * goes back. Every message is stored once, and shown once and in order.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useScene } from '../support/scene.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { ROOT } from './markdown.ts';
import { atTheProgram, PROGRAMS, takeOut } from './programs.ts';

const TIMEOUT_MS = 120_000;
const WAIT_MS = 40_000;
const MAX_REPLAY = 5;
const TOKEN_LIFE_S = 3;
const JWT_SECRET = 'a secret of at least thirty-two bytes';
const SERVICE_TOKEN = 'a-token-of-a-trusted-backend';
const CASES = PROGRAMS.map((program) => {
  const reason = program.lacks === null ? '' : ` (NOT RUN: no ${program.lacks})`;
  return [`${program.name}${reason}`, program] as const;
});

let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'messaging-guide-'));
  takeOut(place);
});
afterAll(() => rm(place, { recursive: true, force: true }));

/**
 * Keeps a token of this person in `file` that soon ends, and is replaced before; a backend would do that.
 * Resolves with what stops it.
 */
async function keepToken(file: string, userId: string): Promise<() => Promise<void>> {
  const renew = async (): Promise<void> => {
    const token = await new SignJWT({ sub: userId })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(`${TOKEN_LIFE_S}s`)
      .sign(new TextEncoder().encode(JWT_SECRET));
    await writeFile(`${file}.new`, token);
    await rename(`${file}.new`, file);
  };
  await renew();
  let renewing = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renew();
  }, 1_000);
  return () => {
    clearInterval(timer);
    return renewing;
  };
}

describe('with tokens', () => {
  const scene = useScene({
    settings: {
      AUTH_MODE: 'jwt',
      JWT_SECRET,
      SERVICE_TOKENS: SERVICE_TOKEN,
      MAX_REPLAY: String(MAX_REPLAY),
    },
  });

  /** Straight to the service, whatever happens to the program's connections; as the guide says. */
  async function bobSays(conversationId: string, content: string): Promise<void> {
    const message = { sender_id: scene.bob.id, content, client_message_id: randomUUID() };
    const send = (): Promise<Response> =>
      fetch(`${scene.app.url}/messages/${conversationId}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${SERVICE_TOKEN}` },
        body: JSON.stringify(message),
      });
    const isStored = async (): Promise<boolean> => {
      const answer = await send();
      if (!answer.ok) throw new Error(await answer.text());
      return true;
    };
    await waitFor(isStored, { what: `${content} of Bob`, timeoutMs: WAIT_MS });
  }

  async function stored(conversationId: string): Promise<string[]> {
    const rows = await scene.db.sql<{ line: string }[]>`
      SELECT format('#%s %s: %s', m.seq, u.name, m.content) AS line
      FROM messaging.messages m JOIN auth.users u ON u.id = m.sender_id
      WHERE m.conversation_id = ${conversationId} ORDER BY m.seq`;
    return rows.map(({ line }) => line);
  }

  /** As when a backup is restored: the last `count` messages have never been. */
  async function goBack(conversationId: string, count: number): Promise<void> {
    await scene.db.sql.begin(async (sql) => {
      const [head] = await sql<{ last_seq: string }[]>`
        UPDATE messaging.conversations SET last_seq = last_seq - ${count}
        WHERE id = ${conversationId} RETURNING last_seq`;
      await sql`DELETE FROM messaging.messages
        WHERE conversation_id = ${conversationId} AND seq > ${head?.last_seq ?? 0}`;
    });
  }

  // Side by side: each mostly waits, for tokens to end and for pauses between tries.
  it.concurrent.for(CASES)(
    'the program for %s loses nothing and doubles nothing',
    { timeout: TIMEOUT_MS },
    async ([_name, program], { expect, skip, onTestFinished }) => {
      skip(program.lacks !== null);
      const proxy = await startTcpProxy({ host: '127.0.0.1', port: scene.app.port });
      onTestFinished(() => proxy.stop());
      const id = await scene.conversation();
      const folder = await mkdtemp(join(place, 'state-'));
      const env = {
        SERVICE: `http://127.0.0.1:${proxy.port}`,
        CONVERSATION_ID: id,
        TOKEN_FILE: join(folder, 'token'),
      };
      onTestFinished(await keepToken(env.TOKEN_FILE, scene.alice.id));
      const person = atTheProgram(program, { place, folder, env });
      onTestFinished(person.kill);
      const sees = (text: string): Promise<unknown> =>
        waitFor(() => person.shown().some((line) => line.endsWith(`: ${text}`)), {
          what: `${text}; shown: ${person.shown()}; complaints: ${person.complaints()}`,
          timeoutMs: WAIT_MS,
        });
      const writesOffline = async (text: string): Promise<void> => {
        person.type(text);
        await waitFor(() => person.outbox().includes(text), {
          what: `${text} in the outbox`,
          timeoutMs: WAIT_MS,
        });
      };
      const cut = (): void => {
        proxy.refuse(true);
        proxy.killAll();
      };

      await bobSays(id, 'before');
      person.start();
      await sees('before');
      person.type('one');
      await sees('one');

      // Stored, and the answer is lost on its way.
      const text = '"success":true,"data":{"id":';
      const swallowed = proxy.swallowNext({ from: 'server', text, effect: 'close' });
      person.type('two');
      await swallowed;
      await sees('two');

      // Both write while there is no connection.
      cut();
      await writesOffline('three');
      await bobSays(id, 'meanwhile');
      proxy.refuse(false);
      await sees('three');
      await sees('meanwhile');

      // The program dies with something to send, and is further behind than is replayed.
      cut();
      await writesOffline('four');
      await writesOffline('five');
      await person.kill();
      for (let n = 1; n <= 3 * MAX_REPLAY; n += 1) await bobSays(id, `far ${n}`);
      person.start();
      proxy.refuse(false);
      await sees('five');

      // Longer than a token lives.
      const renewed = performance.now() + 1_000 * (TOKEN_LIFE_S + 1);
      for (let n = 1; performance.now() < renewed; n += 1) {
        await bobSays(id, `later ${n}`);
        await sees(`later ${n}`);
      }
      person.type('the end');
      await sees('the end');
      await waitFor(() => person.outbox() === '', { what: 'an empty outbox', timeoutMs: WAIT_MS });

      const lines = await stored(id);
      expect(person.shown()).toEqual(lines);
      for (const said of ['one', 'two', 'three', 'four', 'five', 'the end']) {
        expect(lines.filter((line) => line.endsWith(`Alice: ${said}`))).toHaveLength(1);
      }
      const place4 = lines.findIndex((line) => line.endsWith(': four'));
      expect(lines.findIndex((line) => line.endsWith(': five'))).toBeGreaterThan(place4);
      expect(person.complaints()).toBe('');

      if (!program.hearsResync) return;
      await goBack(id, 3);
      await bobSays(id, 'instead');
      await sees('instead');
      expect(person.shown().slice(lines.length)).toEqual([`#${lines.length - 2} Bob: instead`]);
    },
  );
});

describe('in development', () => {
  const scene = useScene({ settings: { AUTH_MODE: 'insecure' } });

  it.concurrent.for(CASES)(
    'the program for %s needs no token',
    { timeout: TIMEOUT_MS },
    async ([_name, program], { skip, onTestFinished }) => {
      skip(program.lacks !== null);
      const env = {
        SERVICE: scene.app.url,
        CONVERSATION_ID: await scene.conversation(),
        USER_ID: scene.alice.id,
      };
      const folder = await mkdtemp(join(place, 'state-'));
      const person = atTheProgram(program, { place, folder, env });
      onTestFinished(person.kill);
      person.start();
      person.type('Hello');
      await waitFor(() => person.shown().includes('#1 Alice: Hello'), {
        what: `Hello; complaints: ${person.complaints()}`,
        timeoutMs: WAIT_MS,
      });
    },
  );
});

describe('the program for TypeScript', () => {
  it('fits the types', { timeout: TIMEOUT_MS }, async () => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext'];
    const args = [tsc, ...options, '--types', 'node', 'chat.ts'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: place }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe('');
  });
});
