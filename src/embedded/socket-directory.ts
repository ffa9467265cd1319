// The directory in which PostgreSQL listens: its account and root alone may enter it, and with it the
// socket. It is `socket` in the data directory. Where that cannot be (the system allows a socket about
// a hundred bytes of path; some shared folders hold no sockets, or are writable for all), it is a new one
// of a name nobody can guess in the temporary directory, and `socket` is a link there: for people, and to
// find what a killed service has left.

import { chmod, mkdir, mkdtemp, realpath, rm, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from '../bounds/embedded.ts';
import { canReach } from './account.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { ownDirectory } from './owned-files.ts';
import type { ClusterPlace } from './place.ts';
import { clearLeftovers, isAnswered, removeSockets, socketPlace } from './socket-leftovers.ts';

const LONGEST_SOCKET_FILE = '.s.PGSQL.65535';
/** Named like PostgreSQL's, so that one which is left is cleared as well. */
const TRIAL_SOCKET = '.s.PGSQL.0';
/** `mkdtemp` adds six characters. */
const TEMPORARY_NAME = 'messaging-';
const ROOT = { uid: 0, gid: 0 };
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
  const inside = socketPlace(place);
  const mayBeInside = (await clearLeftovers(place)) && fits(inside);
  if (mayBeInside && (await isGuarded(place.dataDir, place))) {
    if (await makeInside(inside, place)) return insideDirectory(inside);
  }
  for (const temporary of await temporaryDirectories(place)) {
    // Made by this very call, or it fails: nobody can have put anything there before.
    const path = await mkdtemp(join(temporary, TEMPORARY_NAME));
    if (!(await serves(path, place))) continue;
    const linked = await makeLink(path, inside);
    return {
      path,
      async remove() {
        await removeSockets(path);
        if (linked) await rm(inside, { force: true });
      },
    };
  }
  // Also in a sandbox where root's directories, / among them, seem to be a stranger's.
  if (mayBeInside && (await isClosed(place.dataDir, place))) {
    if (await makeInside(inside, place)) return insideDirectory(inside);
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

async function makeInside(inside: string, place: ClusterPlace): Promise<boolean> {
  await mkdir(inside, { recursive: true });
  return serves(inside, place);
}

function insideDirectory(path: string): SocketDirectory {
  return { path, remove: () => removeSockets(path) };
}

/** Whether a directory of ours stays ours in `directory`: nobody else may exchange it, or one above it. */
async function isGuarded(directory: string, place: ClusterPlace): Promise<boolean> {
  for (let path = directory; ; path = dirname(path)) {
    if (!(await isClosed(path, place))) return false;
    if (path === dirname(path)) return true;
  }
}

/** Whether nobody else may rename or remove what is ours in `directory`. */
async function isClosed(directory: string, { account }: ClusterPlace): Promise<boolean> {
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
async function serves(path: string, { account: { ids } }: ClusterPlace): Promise<boolean> {
  // While it is tried, root's: there, a mode is set by name.
  await ownDirectory(path, { mode: 0o700, ...(ids && { ids: ROOT }) });
  if (!(await takesSockets(path))) {
    await removeSockets(path);
    return false;
  }
  await ownDirectory(path, { mode: 0o700, ids });
  return true;
}

/** Whether all goes that PostgreSQL and its clients do: to make a socket, set its mode and connect. */
function takesSockets(directory: string): Promise<boolean> {
  const path = join(directory, TRIAL_SOCKET);
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(false));
    server.listen(path, async () => {
      const works = await chmod(path, 0o700).then(
        () => isAnswered(path),
        () => false,
      );
      server.close(() => resolve(works));
    });
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
