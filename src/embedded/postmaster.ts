// One running postmaster: started in a session of its own, so that the terminal's Ctrl-C does not
// take the database away while the service drains, and watched, so that it does not stay when the
// service is gone.

import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MAX_KEPT_LINES, POSTMASTER_QUIT_MS } from '../bounds/embedded.ts';
import { programEnvironment } from './cluster.ts';
import type { ClusterPlace } from './place.ts';

const SETTINGS: Readonly<Record<string, string>> = {
  unix_socket_permissions: '0700', // the directory keeps others out already
  shared_buffers: '128MB',
  // Losing power must not lose an acknowledged message, here neither.
  fsync: 'on',
  synchronous_commit: 'on',
  // One server without replicas: less WAL for each commit.
  wal_level: 'minimal',
  max_wal_senders: '0',
  jit: 'off', // short statements only
  io_method: 'sync', // no extra I/O processes on a developer's machine
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_line_prefix: '',
  // Its lines go into our log: neither the row an error is about nor the statement.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  logging_collector: 'off',
};

/** PostgreSQL's own default: clients who are told a directory alone look for it there. */
const SOCKET_PORT = 5432;

/** Waits for the end of its input, which is the end of the service however it ends. */
const WATCHDOG = `trap '' HUP INT TERM
read -r _
read -r pid < "$2" && [ "$pid" = "$1" ] && kill -INT "$1"`;

export interface Postmaster {
  pid: number;
  /** Resolves with the last lines of output when the postmaster has ended, whoever ended it. */
  exited: Promise<readonly string[]>;
  /** Fast shutdown within `timeoutMs`, then the harder ways. Safe to call again. */
  stop(timeoutMs: number): Promise<void>;
}

/** What the postmaster wrote before it gave up. */
export interface StartFailure {
  failed: true;
  lines: readonly string[];
}

export interface PostmasterOptions {
  /** The directory of its Unix socket. */
  socketDirectory: string;
  /** The file that says who may connect. */
  accessRules: string;
  /** A TCP port of 127.0.0.1 as well; left out, there is none. */
  port?: number;
  maxConnections: number;
  timeoutMs: number;
}

/** Starts the postmaster; resolves when it accepts connections, ended, or `timeoutMs` is over. */
export async function startPostmaster(
  place: ClusterPlace,
  options: PostmasterOptions,
): Promise<Postmaster | StartFailure> {
  const settings = Object.entries({
    ...SETTINGS,
    // A list, in which quotes keep a path together.
    unix_socket_directories: `"${options.socketDirectory.replaceAll('"', '""')}"`,
    hba_file: options.accessRules,
    listen_addresses: options.port === undefined ? '' : '127.0.0.1',
    port: String(options.port ?? SOCKET_PORT), // it names the socket, too
    max_connections: String(options.maxConnections),
  });
  const { file, args } = place.account.command(place.binaries.postgres, [
    '-D',
    place.clusterDir,
    ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const child = spawn(file, args, {
    ...place.account.spawnIds,
    cwd: '/',
    env: programEnvironment(place.binaries),
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  const exited = new Promise<readonly string[]>((resolve) => {
    child.once('error', (error) => lines.push(error.message));
    child.once('close', () => resolve(lines));
  });
  const ready = new Promise<'ready'>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      place.log(line);
      lines.push(line);
      if (lines.length > MAX_KEPT_LINES) lines.shift();
      if (line.includes('database system is ready to accept connections')) resolve('ready');
    });
  });
  if (child.pid !== undefined) {
    // Before it is ready: a service may be killed during a long recovery too.
    const watchdog = startWatchdog(child.pid, join(place.clusterDir, 'postmaster.pid'));
    void exited.then(() => watchdog.kill('SIGKILL'));
  }
  const { timeoutMs } = options;
  const timer = abortableTimeout(timeoutMs);
  const outcome = await Promise.race([ready, exited.then(() => 'ended' as const), timer.over]);
  timer.cancel();
  if (outcome !== 'ready' || child.pid === undefined) {
    if (outcome === 'timeout') lines.push(`it was not ready after ${timeoutMs} ms`);
    await end(child, exited, POSTMASTER_QUIT_MS);
    return { failed: true, lines };
  }

  const pid = child.pid;
  // The database must not keep a service alive that has nothing else to do.
  child.unref();
  if (child.stderr instanceof Socket) child.stderr.unref();
  return { pid, exited, stop: (limitMs) => end(child, exited, limitMs) };
}

/** Ends the service's last claim on the database when the service ends, also by SIGKILL. */
function startWatchdog(pid: number, pidFile: string): ChildProcess {
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'postgres-watchdog', String(pid), pidFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: {},
    detached: true,
  });
  // Without it everything works as well; only a killed service leaves its database running.
  watchdog.on('error', () => undefined);
  watchdog.stdin.on('error', () => undefined);
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  return watchdog;
}

async function end(
  child: ChildProcess,
  exited: Promise<unknown>,
  timeoutMs: number,
): Promise<void> {
  child.ref();
  for (const [signal, waitMs] of [
    ['SIGINT', timeoutMs], // fast: ends the sessions, writes a checkpoint
    ['SIGQUIT', POSTMASTER_QUIT_MS], // immediate: recovers from the WAL at the next start
    ['SIGKILL', undefined],
  ] as const) {
    child.kill(signal);
    const timer = waitMs === undefined ? undefined : abortableTimeout(waitMs);
    const outcome = await Promise.race([exited, ...(timer === undefined ? [] : [timer.over])]);
    timer?.cancel();
    if (outcome !== 'timeout') return;
  }
}

function abortableTimeout(ms: number): { over: Promise<'timeout'>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(() => resolve('timeout'), ms);
  });
  return { over, cancel: () => clearTimeout(timer) };
}
