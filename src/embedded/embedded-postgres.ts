// PostgreSQL beside the process, for a machine with only Node on it. Its files stay in the data
// directory between starts. At most one service uses a data directory; what a killed service left
// behind is cleared; whatever stands in the way is told in one sentence (EmbeddedPostgresError).
//
// It listens on a Unix socket that its account and root alone can reach, and on no port.

import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MIN_EMBEDDED_CONNECTIONS, START_MS } from '../bounds/embedded.ts';
import { socketUrl, tcpUrl, writeAccessRules } from './access.ts';
import { chooseAccount } from './account.ts';
import { locateBinaries } from './binaries.ts';
import { prepareCluster, stopOrphan } from './cluster.ts';
import { makeDirectories } from './data-dir.ts';
import { EmbeddedPostgresError, explainFileError, explainOutput } from './errors.ts';
import { ownDirectory } from './owned-files.ts';
import { acquireOwnerLock } from './owner-lock.ts';
import type { ClusterPlace } from './place.ts';
import { type Postmaster, startPostmaster } from './postmaster.ts';
import { makeSocketDirectory, type SocketDirectory } from './socket-directory.ts';

export { EmbeddedPostgresError } from './errors.ts';

/** Of a directory's mode: with STICKY, nobody removes or renames what is another's in it. */
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;

export interface EmbeddedPostgresDeps {
  /** Where the files live; created if missing. */
  dataDir: string;
  /**
   * A TCP port of 127.0.0.1 to listen on as well, with a password, for tests and benches with something
   * between that knows TCP alone (a proxy, an earlier version). Left out, as by the service: none.
   */
  port?: number;
  /** Connections it has to take; it takes at least `MIN_EMBEDDED_CONNECTIONS`. */
  maxConnections?: number;
  /** Receives the lines PostgreSQL writes. */
  log: (line: string) => void;
  /** Receives a sentence about what endangers the files, at the start; left out, it goes to `log`. */
  warn?: (sentence: string) => void;
  /** How long an orderly shutdown may take, in milliseconds, before a harder one. */
  stopTimeoutMs: number;
}

export interface EmbeddedPostgres {
  /** Connection string of a superuser; with `port` that over TCP, password included: not for a log. */
  url: string;
  /** The postmaster's process id. */
  pid: number;
  /** Resolves with a sentence when PostgreSQL ends without `stop()` having been called. */
  died: Promise<string>;
  /** Ends PostgreSQL and gives the data directory free. Safe to call again. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on `dataDir`, which is created on the first start.
 *
 * @throws EmbeddedPostgresError with one sentence for the operator
 */
export async function startEmbeddedPostgres(deps: EmbeddedPostgresDeps): Promise<EmbeddedPostgres> {
  const given = resolve(deps.dataDir);
  let release: (() => Promise<void>) | undefined;
  let socket: SocketDirectory | undefined;
  try {
    const dataDir = await makeDataDir(given);
    const binaries = await locateBinaries(join(dataDir, 'lib'));
    release = await acquireOwnerLock(join(dataDir, 'owner.lock'), dataDir);
    const clusterDir = join(dataDir, 'postgres');
    const place: ClusterPlace = {
      dataDir,
      clusterDir,
      passwordFile: join(dataDir, 'postgres-password'),
      binaries,
      account: await chooseAccount(clusterDir, [dataDir, dirname(binaries.postgres)]),
      log: deps.log,
    };
    await warnOfStrangers(dataDir, deps.warn ?? deps.log);
    await stopOrphan(place, deps.stopTimeoutMs);
    await prepareCluster(place);
    socket = await makeSocketDirectory(place);
    const { port } = deps;
    const url = port === undefined ? socketUrl(socket.path) : await tcpUrl(place, port);
    const postmaster = await start(place, socket, deps);
    return running(postmaster, { deps, url, socket, release });
  } catch (error) {
    await socket?.remove().catch(() => undefined); // the next start clears it
    await release?.();
    throw explainFileError(given, error);
  }
}

interface Holdings {
  deps: EmbeddedPostgresDeps;
  url: string;
  socket: SocketDirectory;
  /** Gives the data directory free. */
  release: () => Promise<void>;
}

function running(
  postmaster: Postmaster,
  { deps, url, socket, release }: Holdings,
): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  const died = new Promise<string>((resolveDied) => {
    void postmaster.exited.then((lines) => {
      if (stopping !== undefined) return;
      resolveDied(`The embedded PostgreSQL has ended by itself: ${lines.at(-1) ?? 'no output'}`);
    });
  });
  async function stop(): Promise<void> {
    await postmaster.stop(deps.stopTimeoutMs);
    try {
      await socket.remove();
    } finally {
      await release();
    }
  }
  return {
    url,
    pid: postmaster.pid,
    died,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function start(
  place: ClusterPlace,
  socket: SocketDirectory,
  { port, maxConnections = 0 }: EmbeddedPostgresDeps,
): Promise<Postmaster> {
  const outcome = await startPostmaster(place, {
    socketDirectory: socket.path,
    accessRules: await writeAccessRules(place),
    ...(port === undefined ? {} : { port }),
    maxConnections: Math.max(maxConnections, MIN_EMBEDDED_CONNECTIONS),
    timeoutMs: START_MS,
  });
  if (!('failed' in outcome)) return outcome;
  const { lines } = outcome;
  if (port !== undefined && lines.some((line) => line.includes('Address already in use'))) {
    throw new EmbeddedPostgresError(
      `Port ${port}, on which the embedded PostgreSQL should listen, is taken: free it or name another.`,
    );
  }
  throw explainOutput(place.dataDir, 'Starting the embedded PostgreSQL', lines);
}

/** Makes the directory so that another account can pass through it, and returns its real path. */
async function makeDataDir(path: string): Promise<string> {
  const created = await makeDirectories(path);
  if (created && process.getuid?.() === 0) await ownDirectory(path, { mode: 0o755 });
  return realpath(path);
}

/** No refusal: volumes of containers are often open to all. */
async function warnOfStrangers(dataDir: string, warn: (sentence: string) => void): Promise<void> {
  const { mode } = await stat(dataDir);
  if ((mode & WRITABLE_BY_ALL) === 0 || (mode & STICKY) !== 0) return;
  warn(
    `DATA_DIR ${dataDir} may be written by every account of this machine, which can so exchange the database and the programs' libraries for its own: take that right away (chmod o-w).`,
  );
}
