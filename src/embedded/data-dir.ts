// Whether the embedded PostgreSQL can have its files where they are wanted, and the directories for them.

import { constants } from 'node:fs';
import { access, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { EmbeddedPostgresError, errorCode, explainFileError } from './errors.ts';

/**
 * Looks whether `dataDir`, or where it does not exist yet the nearest directory above it, is a directory that
 * may be written. Changes nothing.
 *
 * @throws EmbeddedPostgresError with one sentence that names DATA_DIR
 */
export async function requireDataDir(dataDir: string): Promise<void> {
  const given = resolve(dataDir);
  try {
    const place = await nearestDirectory(given);
    await access(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explainFileError(given, error);
  }
}

/** `path`, or the nearest above it that exists. @throws where that is no directory, or a link to nothing */
async function nearestDirectory(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    // There it is, and no directory can be made of that name.
    if (await isLink(path)) {
      throw new EmbeddedPostgresError(
        `DATA_DIR cannot be made, as ${path} is a link to nothing: make what it leads to or name another directory.`,
      );
    }
    return nearestDirectory(dirname(path));
  }
  throw Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' });
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false, // nothing either
  );
}

/**
 * Makes the directory and those above it that are missing; resolves with whether there was anything to make.
 * Not by `mkdir`'s own `recursive`: where a file system refuses a name with ENOENT, as /proc does, that
 * of Node 20 tries for ever.
 */
export async function makeDirectories(path: string): Promise<boolean> {
  const place = await nearestDirectory(resolve(path));
  const missing = relative(place, resolve(path)).split(sep).filter(Boolean);
  let directory = place;
  for (const name of missing) {
    directory = join(directory, name);
    await mkdir(directory).catch((error: unknown) => {
      // Made by somebody else meanwhile; a file there is found out when it is used as a directory.
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
  return missing.length > 0;
}
