import { mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { requireDataDir } from '../../src/embedded/data-dir.ts';
import { EmbeddedPostgresError } from '../../src/embedded/embedded-postgres.ts';
import { explainFileError, explainOutput } from '../../src/embedded/errors.ts';
import { freePort } from '../support/ports.ts';
import { createHarness, processesOn, query, waitForNone } from './harness.ts';

const { temporaryDirectory, usedDirectory, start, startOwner } = createHarness();

let dataDir: string;
beforeEach(async () => {
  dataDir = await usedDirectory();
});

/** The refusal of a start: an EmbeddedPostgresError of one line, one sentence. */
async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('two services on one data directory', () => {
  test('the second is refused in one sentence and the first goes on', async () => {
    const owner = await startOwner(dataDir, 'stay');
    const message = await refusal(start(dataDir));
    expect(message).toContain(`process ${owner.child.pid}`);
    expect(message).toContain(dataDir);
    expect(await query(owner.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await processesOn(dataDir)).map(({ pid }) => pid)).toContain(owner.pid);
  });

  test.each([
    ['whose ids name no process here', 999_999_999],
    ['whose ids are those of other processes here', process.pid],
  ])('in two containers, %s: the second is refused and the first goes on', async (_, pid) => {
    const first = await start(dataDir);
    const inside = join(dataDir, 'postgres', 'postmaster.pid');
    const said = await readFile(inside, 'utf8');
    await writeFile(join(dataDir, 'owner.lock'), `${pid}\nanother boot 1\n0\n`);
    const seenFromThere = said.replace(/^\d+/, String(pid));
    await writeFile(inside, seenFromThere);
    try {
      const message = await refusal(start(dataDir));
      expect(message).toContain('Another PostgreSQL is running');
      expect(message).toContain(dataDir);
      expect(await readFile(inside, 'utf8')).toBe(seenFromThere);
      expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await writeFile(inside, said);
    }
  });

  test('started at the same moment on an empty directory, exactly one wins', async () => {
    dataDir = await temporaryDirectory();
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => start(dataDir)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const postmasters = (await processesOn(dataDir)).filter(({ command }) =>
      command.includes(' -D '),
    );
    expect(postmasters).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') await refusal(Promise.reject(outcome.reason));
    }
  });

  test('racing for a stale lock, exactly one wins', async () => {
    await writeFile(join(dataDir, 'owner.lock'), '999999999\nno such boot 1\n0\n');
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => start(dataDir)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('the directory is free again for the next after the first has stopped', async () => {
    const first = await start(dataDir);
    await refusal(start(dataDir));
    await first.stop();
    await expect(start(dataDir)).resolves.toBeDefined();
  });
});

describe('files that cannot be used', () => {
  test('made by another major version', async () => {
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '16\n');
    const message = await refusal(start(dataDir));
    expect(message).toMatch(/were made by PostgreSQL 16 and this is 18/);
  });

  test('damaged', async () => {
    await truncate(join(dataDir, 'postgres', 'global', 'pg_control'), 0);
    expect(await refusal(start(dataDir))).toMatch(/pg_control.*restore a copy or move/);
    await waitForNone(dataDir);
  });

  test('not a database at all', async () => {
    await rm(join(dataDir, 'postgres', 'PG_VERSION'));
    expect(await refusal(start(dataDir))).toMatch(/holds files but no PostgreSQL database/);
  });

  test('without their password, where it is asked for', async () => {
    await rm(join(dataDir, 'postgres-password'));
    expect(await refusal(start(dataDir, await freePort()))).toMatch(/password.*is missing/);
  });

  test('and the refusal gives the directory free', async () => {
    const version = join(dataDir, 'postgres', 'PG_VERSION');
    await writeFile(version, '16\n');
    await refusal(start(dataDir));
    await writeFile(version, '18\n');
    await expect(start(dataDir)).resolves.toBeDefined();
  });
});

describe('a place that cannot be used', () => {
  test('a file where the directory should be', async () => {
    const file = join(dataDir, 'file');
    await writeFile(file, '');
    expect(await refusal(start(file))).toMatch(/is not a directory/);
    expect(await refusal(start(join(file, 'below')))).toMatch(/is not a directory/);
  });

  test('a link to nothing, and a directory below one', async () => {
    const link = join(dataDir, 'link');
    await symlink(join(dataDir, 'nothing'), link);
    for (const place of [link, join(link, 'below')]) {
      expect(await refusal(start(place))).toContain(`${link} is a link to nothing`);
      expect(await refusal(requireDataDir(place))).toContain(`${link} is a link to nothing`);
    }
  });

  test('a directory this user cannot write', async () => {
    // Root may write everywhere but into /proc.
    const closed = process.getuid?.() === 0 ? '/proc/self' : join(dataDir, 'closed');
    if (process.getuid?.() !== 0) await mkdir(closed, { mode: 0o500 });
    expect(await refusal(start(closed))).toMatch(/cannot be (written|used)/);
    expect(await refusal(start(join(closed, 'several', 'below')))).toMatch(
      /cannot be (written|used)/,
    );
    expect(explainFileError('/data', systemError('EACCES')).message).toMatch(
      /^DATA_DIR \/data cannot be written by this user: /,
    );
  });

  test('a full disk', () => {
    expect(explainFileError('/data', systemError('ENOSPC')).message).toBe(
      'There is no space left for the embedded PostgreSQL in /data.',
    );
    const error = explainOutput('/data', 'Starting', [
      'FATAL:  could not write lock file "postmaster.pid": No space left on device',
    ]);
    expect(error.message).toBe('There is no space left for the embedded PostgreSQL in /data.');
  });

  test('a taken port', async () => {
    const port = await freePort();
    const taken = createServer().listen(port, '127.0.0.1');
    try {
      expect(await refusal(start(dataDir, port))).toContain(`Port ${port}`);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});
