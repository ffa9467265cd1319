/** A PostgreSQL that is reached through a Unix socket and in no other way, by all that has a DATABASE_URL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/embedded/embedded-postgres.ts';
import { connectPostgres } from '../../src/store/connect.ts';
import { run } from '../cli/command.ts';
import { ask, connected } from '../support/app.ts';
import { noteSecret } from '../support/kept-logs.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { runToEnd, type ServiceProcess, startService } from '../support/service-process.ts';

// A cluster is made in it, on a machine with other work to do.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const PASSWORD = 'secret-of-the-socket';
const dataDir = mkdtempSync(join(tmpdir(), 'messaging-test-socket-'));
const directory = join(dataDir, 'socket');
let postgres: EmbeddedPostgres;
const services: ServiceProcess[] = [];

beforeAll(async () => {
  noteSecret(PASSWORD);
  postgres = await startEmbeddedPostgres({ dataDir, log: () => undefined, stopTimeoutMs: 10_000 });
  const sql = connectPostgres(postgres.url, { max: 1 });
  await sql`CREATE DATABASE chat`;
  await sql.end();
});
afterAll(async () => {
  await Promise.all(services.map((service) => service.discard()));
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const user = `postgres:${PASSWORD}`;

test('migrate', async () => {
  const DATABASE_URL = `postgres:///chat?host=${directory}&user=postgres&password=${PASSWORD}`;
  const { code, stdout, stderr } = await run(['migrate'], { DATABASE_URL });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('The schema is up to date.');
  expect(stdout).not.toContain(PASSWORD);
});

test('doctor', async () => {
  const DATABASE_URL = `postgres://${user}@${encodeURIComponent(directory)}/chat`;
  const { code, stdout } = await run(['doctor'], { DATABASE_URL });
  expect(stdout).toMatch(/✓ PostgreSQL +version \d+/);
  expect(stdout).toMatch(/✓ Schema +\d+ migrations applied, 0 pending/);
  expect(code).toBe(0);
});

test('the service and its workers', async () => {
  const service = await startService({
    DATABASE_URL: `postgresql://${user}@/chat?host=${directory}&port=5432`,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    WORKERS: '2',
  });
  services.push(service);
  const sql = connectPostgres(postgres.url.replace(/postgres$/, 'chat'), { max: 1 });
  const [person] = await sql<{ id: string }[]>`
    INSERT INTO auth.users (id, name) VALUES (gen_random_uuid(), 'Ann') RETURNING id`;
  const [room] = await sql<{ id: string }[]>`
    INSERT INTO messaging.conversations (id) VALUES (gen_random_uuid()) RETURNING id`;
  await sql`
    INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
    VALUES (${room?.id ?? ''}, ${person?.id ?? ''})`;
  await sql.end();
  const socket = io(service.url, {
    forceNew: true,
    transports: ['websocket'],
    query: { userId: person?.id },
  });
  try {
    await connected(socket);
    const answer = await ask(socket, 'send_message', {
      conversation_id: room?.id,
      content: 'Through the socket',
    });
    expect(answer).toMatchObject({ success: true, data: { seq: 1 } });
  } finally {
    socket.close();
  }
  service.kill('SIGTERM');
  expect(await service.exited).toBe(0);
  expect(service.output()).not.toContain(PASSWORD);
});

test('one that is not there, or misspelt, is one sentence', async () => {
  const nowhere = join(dataDir, 'nowhere');
  const gone = await runToEnd({ DATABASE_URL: `postgres://${user}@/chat?host=${nowhere}` });
  expect(gone.code).toBe(1);
  expect(gone.output).toContain(join(nowhere, '.s.PGSQL.5432'));
  const misspelt = await runToEnd({ DATABASE_URL: `postgres://${user}@/chat?host=/a&port=x` });
  expect(misspelt.code).toBe(1);
  expect(misspelt.output).toContain('DATABASE_URL has a port that is no number');
  for (const { output } of [gone, misspelt]) expect(output).not.toContain(PASSWORD);
});
