/** A process that may open few files, and more connections than that. */
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { io } from 'socket.io-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Logger } from '../../src/log.ts';
import { realtimeSettings } from '../../src/realtime-settings.ts';
import { type Answer, ask, connected } from '../support/app.ts';
import { createConversation } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { runToEnd, type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';

const OPEN_FILES = 200;
const IDLE = 500;

const scene = usePeople();
let service: ServiceProcess | undefined;
const idle: Socket[] = [];

afterEach(async () => {
  for (const socket of idle.splice(0)) socket.destroy();
  await service?.discard();
});

/** Connects and sends nothing. Resolves when every one is open, or has been refused. */
async function openIdle({ port }: ServiceProcess, count: number): Promise<void> {
  let settled = 0;
  for (let n = 0; n < count; n += 1) {
    const socket = connect(port, '127.0.0.1', () => {
      settled += 1;
    });
    socket.on('error', () => undefined).resume();
    idle.push(socket);
  }
  await waitFor(() => settled === count, { what: `${count} connections`, timeoutMs: 30_000 });
}

/** On a connection of its own, which does not stay. */
const call = (url: string) => fetch(url, { headers: { connection: 'close' } });

async function get(url: string): Promise<{ status: number; retryAfter: string; body: Answer }> {
  const response = await call(url);
  const retryAfter = response.headers.get('retry-after') ?? '';
  return { status: response.status, retryAfter, body: (await response.json()) as Answer };
}

it('fewer places than somebody has asked for are a warning', () => {
  const chosen = { MAX_CONNECTIONS: '10000000' };
  const warned = [{ NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32), ...chosen }, chosen];
  for (const settings of warned) {
    const log = { info: vi.fn(), warn: vi.fn() };
    const given = { DATABASE_URL: scene.db.url, ...settings };
    realtimeSettings(readConfig(given), log as unknown as Logger);
    expect([log.warn.mock.calls.length, log.info.mock.calls.length]).toEqual([1, 0]);
  }
});

it(`with ${OPEN_FILES} files and ${IDLE} idle connections goes on for those who are there`, {
  timeout: 60_000,
}, async () => {
  const env = { REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix(), DATABASE_POOL_MAX: '10' };
  service = await startService({ DATABASE_URL: scene.db.url, ...env }, { openFiles: OPEN_FILES });
  const { url, pid } = service;
  // Told, and no warning: nobody has set MAX_CONNECTIONS.
  const told = /^.*fewer sessions than MAX_CONNECTIONS.*$/m.exec(service.output())?.[0] ?? '{}';
  expect(JSON.parse(told)).toMatchObject({ level: 30 });
  const conversation_id = await createConversation(scene.db.sql, [scene.alice]);
  const client = io(url, {
    forceNew: true,
    transports: ['websocket'],
    query: { userId: scene.alice.id },
  });
  await connected(client);
  expect((await ask(client, 'join_conversation', conversation_id)).success).toBe(true);

  await openIdle(service, IDLE);
  await waitFor(async () => (await get(`${url}/health`)).status === 503, { what: 'the cap' });
  const refused = await get(`${url}/messages/${conversation_id}`);
  expect([refused.status, refused.retryAfter]).toEqual([503, '1']);
  expect(refused.body.error).toMatchObject({ code: 'unavailable', retry_after: 1 });
  expect(readdirSync(`/proc/${pid}/fd`).length).toBeLessThan(OPEN_FILES - 10);

  // Every connection to PostgreSQL has to be opened anew.
  await scene.db.sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name LIKE 'messaging%'`;
  const sends = Array.from({ length: 100 }, (_, n) =>
    ask(client, 'send_message', {
      conversation_id,
      content: `${n}`,
      client_message_id: `${n}`,
    }),
  );
  const marks = Array.from({ length: 20 }, () => ask(client, 'mark_read', { conversation_id }));
  const answers = await Promise.all([...sends, ...marks]);
  expect(answers.filter(({ success }) => !success)).toEqual([]);
  expect(client.connected).toBe(true);

  for (const socket of idle) socket.destroy();
  await waitFor(async () => (await get(`${url}/ready`)).status === 200, { what: 'places' });
  const metrics = await (await call(`${url}/metrics`)).text();
  const figure = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  expect(figure('messaging_refused_connections_total')).toBeGreaterThan(IDLE - OPEN_FILES);
  client.close();
  await waitFor(
    async () => /^messaging_tcp_connections 1$/m.test(await (await call(`${url}/metrics`)).text()),
    { what: 'nothing but this request' },
  );
  expect(service.output()).not.toMatch(/EMFILE|"level":60/);
  service.kill('SIGTERM');
  expect(await service.exited).toBe(0);
});

describe('a process that may open too few files to serve anybody', () => {
  it('says so and does not start', async () => {
    const env = { DATABASE_URL: scene.db.url, DATABASE_POOL_MAX: '140' };
    const { code, output } = await runToEnd(env, { openFiles: OPEN_FILES });
    expect(output).toMatch(/cannot start: The process may open 200 files .* needs \d+ beside/);
    expect(code).toBe(1);
  });
});
