/** What doctor says of machines that are not this one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { checkDescriptors, checkNode, checkWorkers } from '../../src/doctor/machine-checks.ts';
import { countWorkers } from '../../src/workers/count.ts';

let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'messaging-doctor-'));
});
afterAll(() => rm(place, { recursive: true, force: true }));

describe('Node', () => {
  it.each([
    ['24.0.0', 'ok'],
    ['20.19.0', 'advice'],
    ['22.12.0', 'advice'],
    ['20.18.9', 'problem'],
    ['26.1.0', 'problem'],
  ])('%s: %s', (version, verdict) => {
    expect(checkNode(version).verdict).toBe(verdict);
  });
});

describe('workers', () => {
  it('are at most as many as the cores', () => {
    expect(checkWorkers(1, 1)).toMatchObject({ verdict: 'ok', found: '1 on 1 core' });
    expect(checkWorkers(4, 4)).toMatchObject({ verdict: 'ok', found: '4 on 4 cores' });
    expect(checkWorkers(5, 4)).toMatchObject({ verdict: 'advice', found: '5 on 4 cores' });
  });

  it('are one for each core with auto, but one alone without Redis', () => {
    const alone = readConfig({ WORKERS: 'auto' });
    const joined = readConfig({ WORKERS: 'auto', REDIS_URL: 'redis://localhost' });
    expect([1, 4, 100].map((cores) => countWorkers(joined, cores))).toEqual([1, 4, 64]);
    expect(countWorkers(alone, 4)).toBe(1);
    expect(countWorkers(readConfig({}), 4)).toBe(1);
  });
});

describe('file descriptors', () => {
  async function withLimit(limit: string, maxConnections: number) {
    const path = join(place, 'limits');
    await writeFile(
      path,
      `Max open files            ${limit}                 ${limit}       files\n`,
    );
    return checkDescriptors(maxConnections, path);
  }

  it('are enough for every connection, with some to spare', async () => {
    expect((await withLimit('1100', 1_000)).verdict).toBe('ok');
    expect((await withLimit('unlimited', 1_000_000)).verdict).toBe('ok');
    const short = await withLimit('1099', 1_000);
    expect([short.verdict, short.advice]).toEqual([
      'advice',
      expect.stringContaining('Enough for 999 connections'),
    ]);
  });

  it('are no worry where the system does not say', async () => {
    const { verdict, found } = await checkDescriptors(1_000, join(place, 'not there'));
    expect([verdict, found]).toEqual(['ok', expect.stringContaining('does not say')]);
  });
});
