// What an earlier run has left where the socket is: found, asked whether it still lives, and cleared.

import type { Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink, rm, rmdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from '../bounds/embedded.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import type { ClusterPlace } from './place.ts';

/** PostgreSQL names its socket after its port, and a lock file after the socket. */
const SOCKET_FILE = /^\.s\.PGSQL\.\d+(\.lock)?$/;

/** The socket's directory in the data directory, or the link to it there. */
export function socketPlace({ dataDir }: ClusterPlace): string {
  return join(dataDir, 'socket');
}

/**
 * Refuses where a PostgreSQL still takes connections on a socket of ours: one that a service in another
 * container has started on the same files, whose process cannot be seen from here, or one that somebody
 * has started by hand.
 *
 * @throws EmbeddedPostgresError
 */
export async function refuseLiveSocket(place: ClusterPlace): Promise<void> {
  const directory = await leftDirectory(socketPlace(place), place);
  if (directory === undefined) return;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!SOCKET_FILE.test(name) || name.endsWith('.lock') || !(await isAnswered(path))) continue;
    throw new EmbeddedPostgresError(
      `Another PostgreSQL is running on ${place.dataDir} (it answers at ${path}), perhaps in another container: stop it or name another DATA_DIR.`,
    );
  }
}

/** Whether somebody listens at the socket `path`. */
export function isAnswered(path: string): Promise<boolean> {
  // Of a longer one the system may take the beginning.
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(path);
    // Too many wait to be let in, on a socket that is listened on.
    socket.once('error', (error) => resolve(errorCode(error) === 'EAGAIN'));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/**
 * Clears what is in the socket's place; resolves with whether a directory of ours may be there now. What
 * no run of ours can have made, such as a file or a stranger's directory, stays.
 */
export async function clearLeftovers(place: ClusterPlace): Promise<boolean> {
  const inside = socketPlace(place);
  const found = await lstatIfThere(inside);
  if (found === undefined) return true;
  const directory = await leftDirectory(inside, place);
  if (directory !== undefined) await removeSockets(directory);
  if (found.isDirectory()) return directory !== undefined;
  if (!mayTouch(found) || !(found.isSymbolicLink() || found.isSocket())) return false;
  await rm(inside, { force: true });
  return true;
}

/** The directory of an earlier run at `inside` or where the link there leads to; undefined without one. */
async function leftDirectory(inside: string, place: ClusterPlace): Promise<string | undefined> {
  const found = await lstatIfThere(inside);
  if (found?.isDirectory()) return mayTouch(found) ? inside : undefined;
  if (!found?.isSymbolicLink()) return undefined;
  const target = await readlink(inside);
  return (await isOurs(target, place)) ? target : undefined;
}

/** Only root may change what is another account's. */
function mayTouch({ uid }: Stats): boolean {
  const own = process.getuid?.();
  return own === 0 || own === uid;
}

/**
 * Whether what the link leads to is what an earlier run has made: by now it may be a stranger's of the
 * same name, and in a copied data directory it is that of the original, which may be running.
 */
async function isOurs(path: string, { account, clusterDir }: ClusterPlace): Promise<boolean> {
  const found = await lstatIfThere(path);
  if (!found?.isDirectory() || (found.mode & 0o077) !== 0) return false;
  if (found.uid !== (account.ids?.uid ?? process.getuid?.())) return false;
  for (const name of await readdir(path)) {
    if (!SOCKET_FILE.test(name) || !name.endsWith('.lock')) continue;
    const lock = join(path, name);
    // To read a pipe is to wait for whoever writes to it.
    if (!(await lstat(lock)).isFile()) return false;
    // As in postmaster.pid, its second line names the files that are served.
    const [, served] = (await readFile(lock, 'utf8')).split('\n');
    if (served !== clusterDir) return false;
  }
  return true;
}

/**
 * Removes the sockets, and the directory when there is nothing else in it. By their names only, and
 * nothing below them: to root, whatever else the account has put there is strange.
 */
export async function removeSockets(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      if (SOCKET_FILE.test(name)) await rm(join(directory, name), { force: true });
    }
    await rmdir(directory);
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error;
  }
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
