// Whether the embedded PostgreSQL can have its files where they are wanted. Changes nothing.

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode, explainFileError } from './errors.ts';

/**
 * Looks whether `dataDir`, or where it does not exist yet the nearest directory above it, is a directory that
 * may be written.
 *
 * @throws EmbeddedPostgresError with one sentence that names DATA_DIR
 */
export async function requireDataDir(dataDir: string): Promise<void> {
  const given = resolve(dataDir);
  try {
    const place = await nearestThatExists(given);
    if (!(await stat(place)).isDirectory()) {
      throw Object.assign(new Error(`${place} is not a directory`), { code: 'ENOTDIR' });
    }
    await access(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explainFileError(given, error);
  }
}

async function nearestThatExists(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return nearestThatExists(dirname(path));
  }
}
