// The database files: created whole or not at all, used only by the version that made them, and
// freed of the database process a killed service left behind.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { CLUSTER_COMMAND_MS, CLUSTER_QUIT_MS, MAX_KEPT_LINES } from '../bounds/embedded.ts';
import { SYSTEM_PATH } from './account.ts';
import type { PostgresBinaries } from './binaries.ts';
import { EmbeddedPostgresError, errorCode, explainOutput } from './errors.ts';
import { ownDirectory, writeOwnedFile } from './owned-files.ts';
import type { ClusterPlace } from './place.ts';
import { commandLine, processState, waitUntilGone } from './processes.ts';
import { refuseLiveSocket } from './socket-leftovers.ts';

/** The environment of every PostgreSQL program: nothing of the caller's `PG…` and locale. */
export function programEnvironment(binaries: PostgresBinaries): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { PATH: SYSTEM_PATH, LC_ALL: 'C' };
  if (binaries.libraryPath !== undefined) {
    env[process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'] =
      binaries.libraryPath;
  }
  return env;
}

/**
 * Makes sure the cluster exists and fits the programs.
 *
 * @throws EmbeddedPostgresError
 */
export async function prepareCluster(place: ClusterPlace): Promise<void> {
  const major = await programMajor(place);
  const found = await readText(join(place.clusterDir, 'PG_VERSION'));
  if (found === undefined) {
    if (await holdsSomething(place.clusterDir)) {
      throw new EmbeddedPostgresError(
        `${place.clusterDir} holds files but no PostgreSQL database: restore a copy or move the directory away to begin with an empty one.`,
      );
    }
    return createCluster(place);
  }
  if (found !== major) {
    throw new EmbeddedPostgresError(
      `The files in ${place.clusterDir} were made by PostgreSQL ${found} and this is ${major}: move them over with pg_dump, or move the directory away to begin with an empty database.`,
    );
  }
}

/** Runs `postgres --version`: also the proof that the programs run on this machine. */
async function programMajor(place: ClusterPlace): Promise<string> {
  const { code, lines } = await runProgram(place, place.binaries.postgres, ['--version']);
  const major = /\(PostgreSQL\) (\d+)/.exec(lines.join('\n'))?.[1];
  if (code === 0 && major !== undefined) return major;
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL does not run on this machine (${lines.at(-1)?.trim() ?? `exit ${code}`}): set DATABASE_URL.`,
  );
}

async function createCluster(place: ClusterPlace): Promise<void> {
  const prefix = `${basename(place.clusterDir)}.new-`;
  const parent = dirname(place.clusterDir);
  for (const name of await readdir(parent)) {
    // Left by a start that was killed; the owner lock is held, so nobody is at work on it.
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
  const password = randomBytes(24).toString('hex');
  await rm(place.passwordFile, { force: true });
  const { ids } = place.account;
  await writeOwnedFile(place.passwordFile, `${password}\n`, { mode: 0o600, ids });
  const draft = join(parent, `${prefix}${randomBytes(6).toString('hex')}`);
  await mkdir(draft, { mode: 0o700 });
  await ownDirectory(draft, { mode: 0o700, ids });
  try {
    const { code, lines } = await runProgram(place, place.binaries.initdb, [
      `--pgdata=${draft}`,
      '--username=postgres',
      `--pwfile=${place.passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Built in: sorts and folds the same on every machine, whatever locales it has.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-instructions',
    ]);
    if (code !== 0) {
      throw explainOutput(place.dataDir, 'Creating the embedded PostgreSQL database', lines);
    }
    await rename(draft, place.clusterDir);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Stops a postmaster that outlived the service which started it. Call with the owner lock held:
 * then no living service wants it.
 *
 * @throws EmbeddedPostgresError when it does not end, or another PostgreSQL answers on the socket
 */
export async function stopOrphan(place: ClusterPlace, timeoutMs: number): Promise<void> {
  const pidFile = join(place.clusterDir, 'postmaster.pid');
  const pid = Number.parseInt((await readText(pidFile)) ?? '', 10);
  const state = pid > 0 ? await processState(pid) : 'none';
  // Undefined also where it cannot be seen.
  const command = state === 'alive' ? await commandLine(pid) : undefined;
  const isPostgres = command?.includes('postgres') || command?.includes('postmaster');
  if (!isPostgres || !command?.includes(`-D ${place.clusterDir} `)) {
    // Before its file goes: the process may run where its id is that of another than here.
    await refuseLiveSocket(place);
    // PostgreSQL itself clears a file that names no process, and refuses beside one started by hand. But
    // to it an uncollected process is alive, and one that has got the id since is a postmaster.
    if (state === 'ended' || (command !== undefined && !isPostgres)) {
      await rm(pidFile, { force: true });
    }
    return;
  }
  place.log(`stopping the PostgreSQL (process ${pid}) that an ended service left running`);
  for (const [signal, waitMs] of [
    ['SIGINT', timeoutMs], // fast shutdown
    ['SIGQUIT', CLUSTER_QUIT_MS], // immediate shutdown: recovers at the next start
    ['SIGKILL', CLUSTER_QUIT_MS],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
    if (await waitUntilGone(pid, waitMs)) {
      if ((await readText(pidFile)) === String(pid)) await rm(pidFile, { force: true });
      return;
    }
  }
  throw new EmbeddedPostgresError(
    `The PostgreSQL (process ${pid}) left running on ${place.clusterDir} does not end: end it by hand.`,
  );
}

async function runProgram(
  place: ClusterPlace,
  program: string,
  programArgs: string[],
): Promise<{ code: number | null; lines: string[] }> {
  const { file, args } = place.account.command(program, programArgs);
  const child = spawn(file, args, {
    ...place.account.spawnIds,
    cwd: '/',
    env: programEnvironment(place.binaries),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // Ctrl-C must not leave half of it
    timeout: CLUSTER_COMMAND_MS,
    killSignal: 'SIGKILL',
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > MAX_KEPT_LINES) lines.shift();
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => lines.push(error.message));
    child.once('close', resolve);
  });
  return { code, lines };
}

/** The first line of a file; undefined when there is no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return ((await readFile(path, 'utf8')).split('\n')[0] ?? '').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function holdsSomething(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length > 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
