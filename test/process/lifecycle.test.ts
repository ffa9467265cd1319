/** How the process starts, refuses to start, and stops. */

import cluster from 'node:cluster';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import { io } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ask, collect, connected } from '../support/app.ts';
import { createConversation } from '../support/people.ts';
import { usePeople } from '../support/scene.ts';
import { runToEnd, type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';

const scene = usePeople();
const started: ServiceProcess[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.discard()));
});

async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startService({ DATABASE_URL: scene.db.url, ...env });
  started.push(service);
  return service;
}

describe('a start that is refused says why in one sentence and exits with 1', () => {
  const secret = 'hunter2-hunter2-hunter2-hunter2-hunter2';
  it.each([
    ['an unknown value', { LOG_LEVEL: 'loud' }, /LOG_LEVEL="loud" is not understood/],
    [
      'production without a database',
      { NODE_ENV: 'production', JWT_SECRET: secret },
      /DATABASE_URL/,
    ],
    [
      'insecure in production',
      { NODE_ENV: 'production', DATABASE_URL: 'postgres://127.0.0.1:1/x' },
      /AUTH_MODE=insecure is refused/,
    ],
    [
      'no database there',
      { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x' },
      /PostgreSQL cannot be used \(DATABASE_URL\): connect ECONNREFUSED 127\.0\.0\.1:1\n/,
    ],
    [
      'a database of no host',
      { DATABASE_URL: 'postgres://u:hunter2@no-host.invalid/x' },
      /PostgreSQL cannot be used \(DATABASE_URL\): getaddrinfo \w+ no-host\.invalid\n/,
    ],
    [
      'a database that knows no such role',
      { role: 'nobody' },
      /PostgreSQL cannot be used \(DATABASE_URL\): .*"nobody"/,
    ],
  ])('%s', async (_what, { role, ...settings }: Record<string, string>, sentence) => {
    const url = new URL(scene.db.url);
    if (role !== undefined) url.username = role;
    const env = role === undefined ? settings : { ...settings, DATABASE_URL: url.href };
    const { code, output } = await runToEnd(env);
    expect(output).toMatch(sentence);
    expect(code).toBe(1);
    expect(output).not.toMatch(/\n\s+at |hunter2/);
  });

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening', 5_000);
    const { port } = other.address() as AddressInfo;
    // Before anything is asked of PostgreSQL, which is not there.
    const DATABASE_URL = 'postgres://u@127.0.0.1:1/x';
    const { code, output } = await runToEnd({ DATABASE_URL, PORT: `${port}` });
    other.close();
    expect(output).toMatch(
      new RegExp(`Cannot listen on 127.0.0.1:${port}: the port is in use \\(HOST and PORT\\)`),
    );
    expect(code).toBe(1);
  });
});

describe('a start within a cluster of Node, as in pm2', () => {
  it('is refused with the way to several processes', async () => {
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('../../src/main.ts', import.meta.url)),
      execArgv: ['--import', 'tsx'],
      silent: true,
    });
    const worker = cluster.fork({ DATABASE_URL: scene.db.url, PORT: '0', NODE_ENV: 'test' });
    let output = '';
    worker.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const [code] = await once<[number]>(worker.process, 'close', 60_000);
    expect(output).toMatch(/^messaging-service cannot start: pm2's cluster mode.* set WORKERS/);
    expect(code).toBe(1);
  });
});

describe('TLS in the process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'messaging-test-tls-ö-'));
  const files = {
    TLS_KEY_FILE: join(directory, 'key.pem'),
    TLS_CERT_FILE: join(directory, 'cert.pem'),
  };
  beforeAll(async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
    writeFileSync(files.TLS_KEY_FILE, key);
    writeFileSync(files.TLS_CERT_FILE, cert);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('serves REST and sockets', async () => {
    const service = await start(files);
    const url = service.url.replace('http:', 'https:');
    const client = io(url, {
      forceNew: true,
      rejectUnauthorized: false,
      query: { userId: scene.alice.id },
    });
    const conversation_id = await createConversation(scene.db.sql, [scene.alice]);
    const answer = await ask(client, 'join_conversation', conversation_id);
    expect(answer.success).toBe(true);
    client.close();
  });

  it('says what is wrong with the files', async () => {
    const env = { DATABASE_URL: scene.db.url, ...files, TLS_CERT_FILE: files.TLS_KEY_FILE };
    const { code, output } = await runToEnd(env);
    expect(output).toContain('TLS_KEY_FILE and TLS_CERT_FILE cannot be used');
    expect(code).toBe(1);
  });
});

describe('SIGTERM', () => {
  it('finishes sends, sends clients elsewhere, exits 0 within 10 s and leaves no connection', async () => {
    const first = await start({ DRAIN_GRACE_MS: '500' });
    const second = await start();
    const conversation_id = await createConversation(scene.db.sql, [scene.alice]);
    const client = io(first.url, { forceNew: true, query: { userId: scene.alice.id } });
    await connected(client);
    await ask(client, 'join_conversation', conversation_id);
    const heard = collect<{ seq: number }>(client, 'new_message');
    const sends = Array.from({ length: 200 }, (_, n) =>
      ask(client, 'send_message', { conversation_id, content: `${n}`, client_message_id: `${n}` }),
    );
    await waitFor(() => heard.length > 0, { what: 'the first message' });

    const begun = performance.now();
    const gone = once(client, 'disconnect', 10_000);
    first.kill('SIGTERM');
    const answers = await Promise.all(sends);
    expect(answers.every(({ success }) => success)).toBe(true);
    // A closed transport: the stock client reconnects, here to the node that is left.
    expect((await gone)[0]).toBe('transport close');
    expect(await first.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_000);

    const back = io(second.url, { forceNew: true, query: { userId: scene.alice.id } });
    const again = collect<{ seq: number }>(back, 'new_message');
    await ask(back, 'join_conversation', { conversation_id, after_seq: heard.at(-1)?.seq ?? 0 });
    const seqs = [...heard, ...again].map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    client.close();
    back.close();
    second.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    await waitFor(
      async () => {
        const [row] = await scene.db.sql`
          SELECT count(*)::int AS open FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'messaging%'`;
        return row?.open === 0;
      },
      { what: 'every connection to PostgreSQL to be closed' },
    );
  });

  it('again, from somebody who does not want to wait: the end at once, exit 1', async () => {
    const service = await start({ DRAIN_GRACE_MS: '60000', CONNECT_TIMEOUT_MS: '60000' });
    // As many as would take 10 s.
    const url = `ws://127.0.0.1:${service.port}/socket.io/?EIO=4&transport=websocket`;
    const sockets = Array.from({ length: 400 }, () => new WebSocket(url));
    await Promise.all(sockets.map((socket) => once(socket, 'message', 30_000)));
    const begun = performance.now();
    // Told twice by one act, as terminals and npm do, is told once.
    service.kill('SIGTERM');
    service.kill('SIGTERM');
    let exited = false;
    void service.exited.then(() => {
      exited = true;
    });
    await waitFor(
      () => {
        if (!exited) service.kill('SIGINT');
        return exited;
      },
      { what: 'the end at once' },
    );
    expect(await service.exited).toBe(1);
    expect(service.output()).toContain('SIGINT again: stopping at once');
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(8_000);
    for (const socket of sockets) socket.terminate();
  });

  it('without clients it is quick', async () => {
    const service = await start({ DRAIN_GRACE_MS: '5000' });
    const begun = performance.now();
    service.kill('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(4_000);
  });
});
