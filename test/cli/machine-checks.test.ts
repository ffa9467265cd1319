/** What doctor says of machines that are not this one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { readDescriptorLimit } from '../../src/descriptors.ts';
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
  const config = (maxConnections: number) =>
    readConfig({ MAX_CONNECTIONS: String(maxConnections), DATABASE_POOL_MAX: '10' });

  it('are enough for every connection, with some to spare', () => {
    expect(checkDescriptors(config(1_000), 2_000).verdict).toBe('ok');
    expect(checkDescriptors(config(1_000), Number.POSITIVE_INFINITY).verdict).toBe('ok');
    const short = checkDescriptors(config(1_000), 1_063);
    expect([short.verdict, short.found]).toEqual([
      'advice',
      '1063: 1000 connections, 875 of them sockets; MAX_CONNECTIONS is 1000',
    ]);
  });

  it('that leave nobody a place are a problem', () => {
    expect(checkDescriptors(config(1_000), 79).verdict).toBe('advice');
    const { verdict, advice } = checkDescriptors(config(1_000), 78);
    expect([verdict, advice]).toEqual(['problem', expect.stringContaining('to 79 at least')]);
  });

  it('are read from where Linux tells them; elsewhere there is no limit', async () => {
    const path = join(place, 'limits');
    const tell = (limit: string) =>
      writeFile(path, `Max open files            ${limit}                 4096       files\n`);
    await tell('1024');
    expect(readDescriptorLimit(path)).toBe(1_024);
    await tell('unlimited');
    expect(readDescriptorLimit(path)).toBe(Number.POSITIVE_INFINITY);
    expect(readDescriptorLimit(join(place, 'not there'))).toBe(Number.POSITIVE_INFINITY);
    expect(readDescriptorLimit()).toBeGreaterThan(0);
  });
});
