/** `messaging-service serve | migrate | doctor`: what it says, what it does, how it ends. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/doctor/doctor.ts';
import { startTestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { run, start } from './command.ts';

const PASSWORD = 'not-to-be-shown';
const SLOW_MS = 60_000;

let db: TestDatabase;
let env: Record<string, string>;
let migrations: string[];

beforeAll(async () => {
  db = await createTestDatabase({ migrate: false });
  env = { DATABASE_URL: db.url, REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
  const names = await readdir(new URL('../../sql', import.meta.url));
  migrations = names.filter((name) => name.endsWith('.sql')).sort();
});
afterAll(() => db.drop());

async function doctor(
  settings: Record<string, string>,
): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, stdout } = await run(['doctor', '--json'], settings);
  return { code, findings: JSON.parse(stdout) as Finding[] };
}

const about = (findings: Finding[], subject: string): Finding[] =>
  findings.filter((finding) => finding.subject === subject);

describe('messaging-service', () => {
  it(
    'shows its commands with --help, and each its own',
    async () => {
      const { code, stdout, stderr } = await run(['--help']);
      expect([code, stderr]).toEqual([0, '']);
      for (const word of ['serve', 'migrate', 'doctor', '--version', '.env.example']) {
        expect(stdout).toContain(word);
      }
      const own = await run(['doctor', '--help']);
      expect([own.code, own.stdout.includes('--json')]).toEqual([0, true]);
    },
    SLOW_MS,
  );

  it(
    'says its version',
    async () => {
      const file = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
      const { version } = JSON.parse(file) as { version: string };
      const { code, stdout } = await run(['--version']);
      expect([code, stdout]).toEqual([0, `${version}\n`]);
    },
    SLOW_MS,
  );

  it(
    'ends with 2 and its help on stderr when the call is not understood',
    async () => {
      for (const args of [[], ['dokter'], ['migrate', '--force'], ['migrate', 'now']]) {
        const { code, stdout, stderr } = await run(args);
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toContain('Usage: messaging-service');
      }
    },
    SLOW_MS,
  );
});

describe('before migrate', () => {
  it(
    'doctor names what is pending, and makes nothing',
    async () => {
      const { code, findings } = await doctor(env);
      expect(code).toBe(0);
      const [schema] = about(findings, 'Schema');
      expect(schema?.verdict).toBe('advice');
      for (const name of migrations) expect(schema?.found).toContain(name);
      const [row] = await db.sql`SELECT to_regnamespace('messaging') AS made`;
      expect(row?.made).toBe(null);
    },
    SLOW_MS,
  );

  it(
    'migrate without DATABASE_URL, or where nobody answers, is one sentence and 1',
    async () => {
      const unset = await run(['migrate']);
      expect([unset.code, unset.stdout, unset.stderr.split('\n').length]).toEqual([1, '', 2]);
      expect(unset.stderr).toContain('DATABASE_URL is not set');
      const port = await freePort();
      const away = await run(['migrate'], {
        DATABASE_URL: `postgres://u:${PASSWORD}@127.0.0.1:${port}/x`,
      });
      expect([away.code, away.stdout]).toEqual([1, '']);
      expect(away.stderr).toMatch(
        /^PostgreSQL cannot be used \(DATABASE_URL\): .*ECONNREFUSED.*\n$/,
      );
      expect(away.stderr).not.toContain(PASSWORD);
    },
    SLOW_MS,
  );
});

describe('migrate', () => {
  it(
    'applies what is missing and says so; again, there is nothing to do',
    async () => {
      const first = await run(['migrate'], env);
      expect([first.code, first.stderr]).toEqual([0, '']);
      for (const name of migrations) expect(first.stdout).toContain(`applied migration ${name}`);
      const second = await run(['migrate'], env);
      expect([second.code, second.stdout]).toEqual([
        0,
        'Nothing to do: the schema is up to date.\n',
      ]);
    },
    SLOW_MS,
  );
});

describe('doctor', () => {
  beforeAll(async () => {
    await run(['migrate'], env);
  }, SLOW_MS);

  it(
    'finds nothing wrong where nothing is, with versions',
    async () => {
      const { code, stdout } = await run(['doctor'], env);
      expect(code).toBe(0);
      expect(stdout).toContain('Nothing keeps the service from running.');
      expect(stdout).toMatch(/✓ PostgreSQL +version \d+/);
      expect(stdout).toMatch(/✓ Redis +version \d+.*echo through pub\/sub/);
      expect(stdout).toMatch(/✓ Schema +\d+ migrations applied, 0 pending/);
      expect(stdout).toMatch(/File descriptors +\d+/);
    },
    SLOW_MS,
  );

  it.each(['DATABASE_URL', 'REDIS_URL'])(
    '%s that does not answer: a problem, and 1',
    async (name) => {
      const scheme = name === 'REDIS_URL' ? 'redis' : 'postgres';
      const url = `${scheme}://u:${PASSWORD}@127.0.0.1:${await freePort()}`;
      const { code, findings } = await doctor({ ...env, [name]: url });
      expect(code).toBe(1);
      const problems = findings.filter(({ verdict }) => verdict === 'problem');
      expect(problems.map(({ subject }) => subject)).toEqual([
        name === 'REDIS_URL' ? 'Redis' : 'PostgreSQL',
      ]);
      expect(problems[0]?.found).toContain('ECONNREFUSED');
      expect(problems[0]?.advice).toContain(name);
      expect(JSON.stringify(findings)).not.toContain(PASSWORD);
    },
    SLOW_MS,
  );

  it(
    'a database of a newer version, or a migration changed since: a problem',
    async () => {
      await db.sql`INSERT INTO messaging.schema_migrations (name, checksum) VALUES ('9999_later.sql', '')`;
      const newer = await doctor(env);
      await db.sql`DELETE FROM messaging.schema_migrations WHERE name = '9999_later.sql'`;
      expect(newer.code).toBe(1);
      expect(about(newer.findings, 'Schema')[0]?.found).toContain('9999_later.sql');
      const [first = ''] = migrations;
      const [row] =
        await db.sql`SELECT checksum FROM messaging.schema_migrations WHERE name = ${first}`;
      await db.sql`UPDATE messaging.schema_migrations SET checksum = 'other' WHERE name = ${first}`;
      const changed = await doctor(env);
      await db.sql`
      UPDATE messaging.schema_migrations SET checksum = ${row?.checksum} WHERE name = ${first}`;
      expect(about(changed.findings, 'Schema')[0]).toMatchObject({ verdict: 'problem' });
      expect(about(changed.findings, 'Schema')[0]?.found).toContain(`changed since: ${first}`);
    },
    SLOW_MS,
  );

  it(
    'a port that something else has is a problem; that this service has, is not',
    async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await waitFor(() => other.listening, { what: 'the other server' });
      const address = other.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      // It is asked whether it is this service, and must not be waited for.
      other.on('connection', (socket) => socket.end('no\r\n\r\n'));
      const taken = await doctor({ ...env, PORT: String(port) });
      other.close();
      expect([taken.code, about(taken.findings, `Port ${port}`)[0]?.verdict]).toEqual([
        1,
        'problem',
      ]);
      const app = await startTestApp(db.url);
      const ours = await doctor({ ...env, PORT: String(app.port) });
      await app.stop();
      expect([ours.code, about(ours.findings, `Port ${app.port}`)[0]?.found]).toEqual([
        0,
        'this service listens there',
      ]);
    },
    SLOW_MS,
  );

  it(
    'ports that this service has with TLS are no problem either',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'messaging-doctor-tls-'));
      const [TLS_KEY_FILE, TLS_CERT_FILE] = ['key.pem', 'cert.pem'].map((name) =>
        join(directory, name),
      ) as [string, string];
      const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
      await writeFile(TLS_KEY_FILE, key);
      await writeFile(TLS_CERT_FILE, cert);
      const METRICS_PORT = String(await freePort());
      const settings = { TLS_KEY_FILE, TLS_CERT_FILE, METRICS_PORT };
      const app = await startTestApp(db.url, settings);
      const { code, findings } = await doctor({ ...env, ...settings, PORT: String(app.port) });
      await app.stop();
      await rm(directory, { recursive: true });
      expect(about(findings, `Port ${app.port}`)[0]?.found).toBe('this service listens there');
      // Of the others it is not known who has them.
      expect(about(findings, `Port ${METRICS_PORT}`)[0]).toMatchObject({
        verdict: 'advice',
        found: 'taken, perhaps by this service',
      });
      expect(about(findings, 'TLS')[0]?.verdict).toBe('ok');
      expect(code).toBe(0);
    },
    SLOW_MS,
  );

  it(
    'a key set that cannot be fetched: a problem; one that can, none',
    async () => {
      const settings = { ...env, JWT_JWKS_URL: `http://127.0.0.1:${await freePort()}/keys` };
      const away = await doctor(settings);
      expect([away.code, about(away.findings, 'Key set')[0]?.found]).toEqual([
        1,
        expect.stringContaining('ECONNREFUSED'),
      ]);
      let keys: object[] = [];
      const issuer = createHttpServer((_request, response) =>
        response.end(JSON.stringify({ keys })),
      );
      issuer.listen(0, '127.0.0.1');
      await waitFor(() => issuer.listening, { what: 'the issuer' });
      const { port } = issuer.address() as AddressInfo;
      const there = { ...env, JWT_JWKS_URL: `http://127.0.0.1:${port}/keys` };
      const verdict = async () => about((await doctor(there)).findings, 'Key set')[0]?.verdict;
      expect(await verdict()).toBe('problem');
      const key = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
      keys = [
        { ...key, use: 'enc' },
        { kty: 'oct', k: 'c2VjcmV0' },
      ];
      expect(await verdict()).toBe('problem');
      keys.push(key);
      expect(await verdict()).toBe('ok');
      issuer.close();
    },
    SLOW_MS,
  );

  /** What a start refuses, by what it says: the doctor says the same. */
  const REFUSED: [string, Record<string, string>, string][] = [
    ['a key', { JWT_PUBLIC_KEY: 'abc' }, 'JWT_PUBLIC_KEY is not understood'],
    [
      'a TLS file',
      { TLS_KEY_FILE: '/nowhere/key.pem', TLS_CERT_FILE: '/nowhere/cert.pem' },
      'TLS_KEY_FILE and TLS_CERT_FILE cannot be used',
    ],
    [
      'a data directory',
      { DATABASE_URL: '', DATA_DIR: '/etc/hostname' },
      'DATA_DIR /etc/hostname is not a directory',
    ],
    [
      'a data directory below a file',
      { DATABASE_URL: '', DATA_DIR: '/etc/hostname/data' },
      'DATA_DIR /etc/hostname/data is not a directory',
    ],
    ['an address for the other nodes', { PEER_HOST: '192.0.2.1' }, '(PEER_HOST and PEER_PORT)'],
    ['an address', { HOST: '192.0.2.1' }, '(HOST and PORT)'],
    ['an address for figures', { HOST: '192.0.2.1', METRICS_PORT: '0' }, '(HOST and METRICS_PORT)'],
  ];
  it.each(REFUSED)(
    'finds %s that a start refuses',
    async (_what, settings, words) => {
      const { code, findings } = await doctor({ ...env, ...settings });
      const problems = findings.filter(({ verdict }) => verdict === 'problem');
      expect(problems.map(({ found }) => found).join('\n')).toContain(words);
      expect(code).toBe(1);
      const refused = await run(['serve'], { ...env, ...settings });
      expect(refused.code).toBe(1);
      expect(refused.stdout).not.toContain('migration');
      // A start ends at the first; the doctor has them all.
      const [, sentence = ''] = /cannot start: (.*)\n/.exec(refused.stderr) ?? [];
      expect(problems.map(({ found }) => found)).toContain(sentence);
    },
    SLOW_MS,
  );

  it(
    'settings that are not understood are each named',
    async () => {
      const { code, findings } = await doctor({
        ...env,
        PING_TIMEOUT_MS: 'soon',
        JWT_SECRET: 'short',
      });
      expect(code).toBe(1);
      expect(findings.map(({ subject }) => subject)).toEqual(['Settings', 'Settings']);
      expect(findings.map(({ found }) => found).join()).toMatch(/PING_TIMEOUT_MS.*JWT_SECRET/);
    },
    SLOW_MS,
  );
});

describe('serve', () => {
  it(
    'runs the service until SIGTERM',
    async () => {
      const { child, stdout, ended } = start(['serve'], env);
      const url = await waitFor(() => /listens on http:\/\/localhost:(\d+)/.exec(stdout())?.[1], {
        what: 'the service',
        timeoutMs: 30_000,
      });
      expect((await fetch(`http://127.0.0.1:${url}/ready`)).status).toBe(200);
      child.kill('SIGTERM');
      expect((await ended).code).toBe(0);
    },
    SLOW_MS,
  );
});
