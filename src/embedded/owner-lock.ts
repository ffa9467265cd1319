// One service per data directory. The lock names the process that holds it, so that a lock left by
// a killed process is known to be stale at once, also when its id has been given to another.

import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { MAX_LOCK_ATTEMPTS } from '../bounds/embedded.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { processIdentity, processState } from './processes.ts';

/**
 * Takes the lock file at `path` for this process and returns the function that gives it back.
 *
 * @throws EmbeddedPostgresError when a living process holds it
 */
export async function acquireOwnerLock(
  path: string,
  dataDir: string,
): Promise<() => Promise<void>> {
  const suffix = randomBytes(6).toString('hex');
  const text = `${process.pid}\n${(await processIdentity(process.pid)) ?? ''}\n${suffix}\n`;
  const draft = `${path}.${suffix}`;
  for (let attempt = 1; attempt <= MAX_LOCK_ATTEMPTS; attempt++) {
    try {
      // A link appears whole or not at all; a file created and then written could be read empty.
      await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
      await link(draft, path);
      return async () => {
        if ((await readIfThere(path)) === text) await rm(path, { force: true });
      };
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    } finally {
      await rm(draft, { force: true });
    }
    const found = await readIfThere(path);
    if (found === undefined) continue;
    const holder = await livingHolder(found);
    if (holder !== undefined) {
      throw new EmbeddedPostgresError(
        `Another messaging service (process ${holder}) is using DATA_DIR ${dataDir}: stop it or give this one its own DATA_DIR.`,
      );
    }
    await clearStale(path, found, draft);
  }
  throw new EmbeddedPostgresError(
    `Other messaging services are starting on DATA_DIR ${dataDir} at this moment: start only one.`,
  );
}

async function livingHolder(text: string): Promise<number | undefined> {
  const [pidText = '', identity = ''] = text.split('\n');
  const pid = Number.parseInt(pidText, 10);
  if (!(pid > 0) || (await processState(pid)) !== 'alive') return undefined;
  const now = await processIdentity(pid);
  // A system that hides other users' processes: better to refuse than to share the files.
  return now === undefined || identity === '' || now === identity ? pid : undefined;
}

async function clearStale(path: string, judged: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
    // Between reading and renaming a rival may have put its own, living lock there: hand it back.
    if ((await readIfThere(aside)) !== judged) await link(aside, path);
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
