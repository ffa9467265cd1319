import { spawn } from 'node:child_process';
import { access, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { createHarness, kill, killWatchdog, processesOn, query, waitForNone } from './harness.ts';

const { temporaryDirectory, usedDirectory, start, startOwner } = createHarness();

let dataDir: string;
beforeEach(async () => {
  dataDir = await usedDirectory();
});

describe('after kill -9 of the service', () => {
  test('its database ends by itself and the rows are there at the next start', async () => {
    const owner = await startOwner(dataDir, 'stay');
    await query(owner.url, 'CREATE TABLE kept (n int)', 'INSERT INTO kept VALUES (1)');
    await kill(owner.child);
    await waitForNone(dataDir);
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  test('the next start may come at once', async () => {
    const owner = await startOwner(dataDir, 'stay');
    await query(owner.url, 'CREATE TABLE kept (n int)', 'INSERT INTO kept VALUES (2)');
    await kill(owner.child);
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 2 }]);
  });

  test('a database that still runs is stopped before the new one starts', async () => {
    const owner = await startOwner(dataDir, 'stay');
    await query(owner.url, 'CREATE TABLE kept (n int)', 'INSERT INTO kept VALUES (3)');
    await killWatchdog(dataDir);
    await kill(owner.child);
    expect((await processesOn(dataDir)).map(({ pid }) => pid)).toEqual([owner.pid]);

    const { url, pid } = await start(dataDir);
    expect(pid).not.toBe(owner.pid);
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 3 }]);
    expect((await processesOn(dataDir)).map((row) => row.pid)).not.toContain(owner.pid);
  });

  test('with the database killed too, every committed row is there', async () => {
    const owner = await startOwner(dataDir, 'stay');
    await query(owner.url, 'CREATE TABLE kept (n int)', 'INSERT INTO kept VALUES (4)');
    await killWatchdog(dataDir);
    process.kill(owner.pid, 'SIGKILL');
    await kill(owner.child);
    await waitForNone(dataDir);
    // Both files are left behind.
    expect(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).toMatch(/^\d+\n/);
    expect(await readFile(join(dataDir, 'owner.lock'), 'utf8')).toMatch(/^\d+\n/);
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 4 }]);
  });
});

describe('a stale file', () => {
  test('postmaster.pid with the id of a living process that is no PostgreSQL is cleared', async () => {
    const cluster = join(dataDir, 'postgres');
    const { uid, gid } = await stat(cluster);
    // Of the same user: PostgreSQL by itself refuses to start beside such a one.
    const stranger = spawn('sleep', ['600'], process.getuid?.() === 0 ? { uid, gid } : {});
    try {
      await waitFor(() => stranger.pid !== undefined, { what: 'the stranger to start' });
      const pidFile = join(cluster, 'postmaster.pid');
      await writeFile(pidFile, `${stranger.pid}\n${cluster}\n1700000000\n5432\n\n127.0.0.1\n`);
      if (process.getuid?.() === 0) await chown(pidFile, uid, gid);
      const { url } = await start(dataDir);
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(stranger.exitCode).toBeNull();
    } finally {
      await kill(stranger);
    }
  });

  test('owner.lock whose process id now belongs to another process is cleared', async () => {
    await writeFile(join(dataDir, 'owner.lock'), `${process.pid}\nanother boot 1\n0\n`);
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('owner.lock without sense in it is cleared', async () => {
    await writeFile(join(dataDir, 'owner.lock'), '');
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('a half-made cluster of a killed first start is removed', async () => {
    dataDir = await temporaryDirectory();
    const half = join(dataDir, 'postgres.new-0123456789ab');
    await mkdir(half);
    await writeFile(join(half, 'PG_VERSION'), '18\n');
    const { url } = await start(dataDir);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await expect(access(half)).rejects.toThrow('ENOENT');
  });
});
