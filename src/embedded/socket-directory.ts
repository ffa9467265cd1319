// The directory in which PostgreSQL listens: its account and root alone may enter it, and with it the
// socket. It is `socket` in the data directory. Where that cannot be (the system allows a socket about
// a hundred bytes of path; some shared folders hold no sockets, or are writable for all), it is a new one
// of a name nobody can guess in the temporary directory, and `socket` is a link there: for people, and to
// find what a killed service has left.

import { constants, type Stats } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from '../bounds/embedded.ts';
import { canReach } from './account.ts';
import type { ClusterPlace } from './cluster.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';

/** PostgreSQL names its socket after its port, and a lock file after the socket. */
const SOCKET_FILE = /^\.s\.PGSQL\.\d+(\.lock)?$/;
const LONGEST_SOCKET_FILE = '.s.PGSQL.65535';
/** Matches, so that one which is left is cleared as well. */
const TRIAL_SOCKET = '.s.PGSQL.0';
/** `mkdtemp` adds six characters. */
const TEMPORARY_NAME = 'messaging-';
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

export interface SocketDirectory {
  path: string;
  /** Removes it, when PostgreSQL has ended. */
  remove(): Promise<void>;
}

/**
 * Makes the directory, and clears what an earlier one has left. Call with the owner lock held and no
 * PostgreSQL running on the files.
 *
 * @throws EmbeddedPostgresError when there is no place for it
 */
export async function makeSocketDirectory(place: ClusterPlace): Promise<SocketDirectory> {
  const inside = join(place.dataDir, 'socket');
  await clearLeftovers(inside, place);
  if (fits(inside) && (await isGuarded(place.dataDir, place))) {
    await mkdir(inside, { recursive: true });
    if (await serves(inside, place)) return { path: inside, remove: () => removeDirectory(inside) };
  }
  for (const temporary of await temporaryDirectories(place)) {
    // Made by this very call, or it fails: nobody can have put anything there before.
    const path = await mkdtemp(join(temporary, TEMPORARY_NAME));
    if (!(await serves(path, place))) continue;
    const linked = await makeLink(path, inside);
    return {
      path,
      async remove() {
        await removeDirectory(path);
        if (linked) await rm(inside, { force: true });
      },
    };
  }
  throw new EmbeddedPostgresError(
    `There is no place for the socket of the embedded PostgreSQL: neither DATA_DIR ${place.dataDir} nor the temporary directory ${tmpdir()} has a short enough path, holds sockets and is closed to others' writing; name another DATA_DIR or set DATABASE_URL.`,
  );
}

function fits(directory: string): boolean {
  // Clients take a comma for the end of the first of several hosts.
  if (directory.includes(',')) return false;
  return Buffer.byteLength(join(directory, LONGEST_SOCKET_FILE)) <= MAX_SOCKET_PATH_BYTES;
}

/** Whether a directory of ours stays ours in `directory`: nobody else may rename or remove it there. */
async function isGuarded(directory: string, { account }: ClusterPlace): Promise<boolean> {
  const { mode, uid } = await stat(directory);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) return false;
  return [0, process.getuid?.(), account.ids?.uid].includes(uid);
}

async function temporaryDirectories(place: ClusterPlace): Promise<string[]> {
  const { ids } = place.account;
  const found: string[] = [];
  for (const name of new Set([tmpdir(), '/tmp'])) {
    const path = await realpath(name).catch(() => undefined);
    if (path === undefined || !fits(join(path, `${TEMPORARY_NAME}XXXXXX`))) continue;
    if (!(await isGuarded(path, place))) continue;
    if (ids === undefined || (await canReach(path, ids))) found.push(path);
  }
  return found;
}

/** Makes the directory the account's alone, and tries it; removes one that holds no sockets. */
async function serves(path: string, place: ClusterPlace): Promise<boolean> {
  await makePrivate(path, place);
  if (await takesSockets(path)) return true;
  await removeDirectory(path);
  return false;
}

/** Also when the directory was there already, with whatever owner and mode. */
async function makePrivate(path: string, { account: { ids } }: ClusterPlace): Promise<void> {
  // By a handle, which is of this directory, and of no link that has taken its place.
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    if (ids !== undefined) await handle.chown(ids.uid, ids.gid);
    await handle.chmod(0o700);
  } finally {
    await handle.close();
  }
}

function takesSockets(directory: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(join(directory, TRIAL_SOCKET), () => server.close(() => resolve(true)));
  });
}

/** False when something else is in its place, which a start can do without. */
async function makeLink(to: string, at: string): Promise<boolean> {
  try {
    await symlink(to, at);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function clearLeftovers(inside: string, place: ClusterPlace): Promise<void> {
  const found = await lstatIfThere(inside);
  if (found?.isDirectory()) return removeDirectory(inside);
  if (found?.isSymbolicLink()) {
    const target = await readlink(inside);
    if (await isOurs(target, place)) await removeDirectory(target);
  }
  await rm(inside, { force: true });
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
    // As in postmaster.pid, its second line names the files that are served.
    const [, served] = (await readFile(join(path, name), 'utf8')).split('\n');
    if (served !== clusterDir) return false;
  }
  return true;
}

/**
 * Removes the sockets, and the directory when there is nothing else in it. By their names only, and
 * nothing below them: to root, whatever else the account has put there is strange.
 */
async function removeDirectory(path: string): Promise<void> {
  try {
    for (const name of await readdir(path)) {
      if (SOCKET_FILE.test(name)) await rm(join(path, name), { force: true });
    }
    await rmdir(path);
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
