/** A service whose wall clock is set while people use it: nothing stops, nothing is stuck. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TYPING_TIMEOUT_MS } from '../../src/bounds/chat.ts';
import { hmacSigner, nowSeconds } from '../auth/forge.ts';
import { ask, connected } from '../support/app.ts';
import type { TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';

const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS;
const SECRET = 'a secret of at least thirty-two bytes';
const preload = pathToFileURL(
  fileURLToPath(new URL('../support/settable-clock.mjs', import.meta.url)),
);

const directory = mkdtempSync(join(tmpdir(), 'clock-'));
const clockFile = join(directory, 'off-by');
const clients: Socket[] = [];
const scene = usePeople();
let service: ServiceProcess;
let conversation_id: string;

beforeAll(async () => {
  conversation_id = await scene.conversation();
  service = await startService({
    DATABASE_URL: scene.db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    JWT_SECRET: SECRET,
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '1',
    RATE_LIMIT_SENDS: '20',
    NODE_OPTIONS: `--import=${preload.href}`,
    CLOCK_FILE: clockFile,
  });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await service.discard();
  rmSync(directory, { recursive: true });
});

/** Good for thirty years, so that no jump here ends it. */
const tokenOf = ({ id }: TestPerson): string =>
  hmacSigner(SECRET)({ alg: 'HS256' }, { sub: id, exp: nowSeconds() + (3 * TEN_YEARS_MS) / 1_000 });

async function joined(person: TestPerson, transport: 'polling' | 'websocket'): Promise<Socket> {
  const auth = { token: tokenOf(person) };
  const client = io(service.url, { forceNew: true, auth, transports: [transport] });
  clients.push(client);
  await connected(client);
  const answer = await ask(client, 'join_conversation', { conversation_id });
  expect(answer.success).toBe(true);
  return client;
}

async function setClock(offMs: number): Promise<void> {
  writeFileSync(clockFile, String(offMs));
  const before = service.output().length;
  service.kill('SIGUSR2');
  const said = `the clock is set by ${offMs} ms`;
  await waitFor(() => service.output().includes(said, before), { what: said });
}

/** What the process has used of a processor; proc_pid_stat(5). */
function usedSeconds(): number {
  const [, fields = ''] = readFileSync(`/proc/${service.pid}/stat`, 'utf8').split(') ');
  const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number);
  return (user + system) / 100;
}

async function chats(from: Socket, to: Socket, content: string): Promise<void> {
  const heard = once<[{ content: string }]>(to, 'new_message', 10_000);
  const sentAtMs = performance.now();
  const answer = await ask(from, 'send_message', { conversation_id, content });
  expect(answer).toMatchObject({ success: true, data: { content } });
  expect((await heard)[0]).toMatchObject({ content });
  // The send, the hearing, and nothing that has blocked the process meanwhile.
  expect(performance.now() - sentAtMs).toBeLessThan(3_000);
  // What the database stored, it dated: by its own clock.
  expect(Math.abs(Date.parse(String(answer.data.created_at)) - Date.now())).toBeLessThan(60_000);
}

it('goes on while the clock is set forth and back by an hour and by ten years', async () => {
  const a = await joined(scene.alice, 'websocket');
  const b = await joined(scene.bob, 'polling');
  await chats(a, b, 'before');

  // Set back while somebody is typing, more milliseconds than a timer can wait.
  const typing = once(b, 'user_typing', 10_000);
  const stopped = once(b, 'user_stopped_typing', TYPING_TIMEOUT_MS + 4_000);
  a.emit('typing_start', { conversation_id });
  await typing;
  const usedBefore = usedSeconds();
  await setClock(-TEN_YEARS_MS);
  await chats(a, b, 'ten years ago');
  await stopped;
  expect(usedSeconds() - usedBefore).toBeLessThan(TYPING_TIMEOUT_MS / 1_000 / 2);

  for (const offMs of [TEN_YEARS_MS, HOUR_MS, -HOUR_MS, TEN_YEARS_MS, 0]) {
    await setClock(offMs);
    await chats(a, b, `off by ${offMs}`);
    await chats(b, a, `and back, off by ${offMs}`);
    const late = await joined(scene.bob, 'websocket');
    await chats(a, late, `to one who came when it was off by ${offMs}`);
    late.close();
    const list = await fetch(`${service.url}/messages/${conversation_id}`, {
      headers: { authorization: `Bearer ${tokenOf(scene.alice)}` },
    });
    expect(list.status).toBe(200);
    await list.body?.cancel();
  }

  // Over the limit under one clock is not over it under another for longer than the window.
  await setClock(TEN_YEARS_MS);
  const flood = Array.from({ length: 40 }, (_, n) =>
    ask(a, 'send_message', { conversation_id, content: `${n}` }),
  );
  expect((await Promise.all(flood)).some(({ success }) => !success)).toBe(true);
  await setClock(0);
  const isServed = async () =>
    (await ask(a, 'send_message', { conversation_id, content: 'again' })).success;
  await waitFor(isServed, { what: 'the next window', timeoutMs: 5_000 });
}, 60_000);
