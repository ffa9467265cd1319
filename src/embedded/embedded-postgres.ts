// PostgreSQL beside the process, for a machine with only Node on it. Its files stay in the data
// directory between starts. At most one service uses a data directory; what a killed service left
// behind is cleared; whatever stands in the way is told in one sentence (EmbeddedPostgresError).
//
// It listens on 127.0.0.1 with a generated password, kept in the data directory for its owner only.

import { chmod, mkdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { MIN_EMBEDDED_CONNECTIONS, PORT_ATTEMPTS, START_MS } from '../bounds/embedded.ts';
import { chooseAccount } from './account.ts';
import { locateBinaries } from './binaries.ts';
import { type ClusterPlace, prepareCluster, stopOrphan } from './cluster.ts';
import { EmbeddedPostgresError, explainFileError, explainOutput } from './errors.ts';
import { acquireOwnerLock } from './owner-lock.ts';
import { type Postmaster, startPostmaster } from './postmaster.ts';

export { EmbeddedPostgresError } from './errors.ts';

export interface EmbeddedPostgresDeps {
  /** Where the files live; created if missing. */
  dataDir: string;
  /** The TCP port on 127.0.0.1; left out, a free one. */
  port?: number;
  /** Connections it has to take; it takes at least `MIN_EMBEDDED_CONNECTIONS`. */
  maxConnections?: number;
  /** Receives the lines PostgreSQL writes. */
  log: (line: string) => void;
  /** How long an orderly shutdown may take, in milliseconds, before a harder one. */
  stopTimeoutMs: number;
}

export interface EmbeddedPostgres {
  /** Connection string of a superuser, password included: not for a log. */
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
    await stopOrphan(place, deps.stopTimeoutMs);
    const password = await prepareCluster(place);
    const { postmaster, port } = await startOnPort(place, deps);
    return running(postmaster, deps, release, {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    });
  } catch (error) {
    await release?.();
    throw explainFileError(given, error);
  }
}

function running(
  postmaster: Postmaster,
  deps: EmbeddedPostgresDeps,
  release: () => Promise<void>,
  { url }: { url: string },
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
    await release();
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

async function startOnPort(
  place: ClusterPlace,
  { port: fixedPort, maxConnections = 0 }: EmbeddedPostgresDeps,
): Promise<{ postmaster: Postmaster; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = fixedPort ?? (await freePort());
    const outcome = await startPostmaster(place, {
      port,
      maxConnections: Math.max(maxConnections, MIN_EMBEDDED_CONNECTIONS),
      timeoutMs: START_MS,
    });
    if (!('failed' in outcome)) return { postmaster: outcome, port };
    const taken = outcome.lines.some((line) => line.includes('Address already in use'));
    if (taken && fixedPort !== undefined) {
      throw new EmbeddedPostgresError(
        `Port ${port}, on which the embedded PostgreSQL should listen, is taken: free it or name another.`,
      );
    }
    if (!taken || attempt === PORT_ATTEMPTS) {
      throw explainOutput(place.dataDir, 'Starting the embedded PostgreSQL', outcome.lines);
    }
  }
}

/** Makes the directory so that another account can pass through it, and returns its real path. */
async function makeDataDir(path: string): Promise<string> {
  const created = await mkdir(path, { recursive: true });
  if (created !== undefined && process.getuid?.() === 0) await chmod(path, 0o755);
  return realpath(path);
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolvePort(port));
    });
  });
}
