// What was just made is exchanged for a link before its owner and mode are set: whoever may write to
// the data directory can do so, and what the link leads to must stay as it is.

import { chmod, lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writeAccessRules } from '../../src/embedded/access.ts';
import { prepareCluster } from '../../src/embedded/cluster.ts';
import type { ClusterPlace } from '../../src/embedded/place.ts';

const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
const exchange: { name?: RegExp; victim: string } = vi.hoisted(() => ({ victim: '' }));

/** The calls that make something, each followed by the exchange of what has the name. */
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  function exchanging<A extends unknown[], R>(make: (...args: A) => Promise<R>) {
    return async (...args: A): Promise<R> => {
      const made = await make(...args);
      const path = String(args[0]);
      if (exchange.name?.test(path)) {
        delete exchange.name;
        await real.rename(path, `${path}.moved`);
        await real.symlink(exchange.victim, path);
      }
      return made;
    };
  }
  return {
    ...real,
    mkdir: exchanging(real.mkdir),
    open: exchanging(real.open),
    writeFile: exchanging(real.writeFile),
  };
});

let place: ClusterPlace;
beforeEach(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'messaging-test-exchanged-'));
  const postgres = join(dataDir, 'version.sh');
  await writeFile(postgres, '#!/bin/sh\necho "postgres (PostgreSQL) 18.0"\n');
  await chmod(postgres, 0o755);
  exchange.victim = join(dataDir, 'victim');
  await writeFile(exchange.victim, '', { mode: 0o600 });
  place = {
    dataDir,
    clusterDir: join(dataDir, 'postgres'),
    passwordFile: join(dataDir, 'postgres-password'),
    binaries: { postgres, initdb: '/bin/false' },
    account: {
      command: (file, args) => ({ file, args }),
      spawnIds: {},
      ...(isRoot ? { ids: NOBODY } : {}),
    },
    log: () => undefined,
  };
});
afterEach(async () => {
  delete exchange.name;
  await rm(place.dataDir, { recursive: true, force: true });
});

test.each([
  ['the rules of access', /postgres-hba\.conf$/, writeAccessRules],
  ['the password', /postgres-password$/, prepareCluster],
  ['the directory of the files', /postgres\.new-/, prepareCluster],
])('%s', async (_, name, make) => {
  const before = await stat(exchange.victim);
  exchange.name = name;
  await make(place).catch(() => undefined);
  expect(exchange.name).toBeUndefined();
  expect((await lstat(exchange.victim)).isFile()).toBe(true);
  const { mode, uid, gid } = await stat(exchange.victim);
  expect({ mode, uid, gid }).toEqual({ mode: before.mode, uid: before.uid, gid: before.gid });
});
