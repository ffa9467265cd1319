// The last resort for a test run without Redis: as root on Debian or Ubuntu, install the
// distribution's redis-server, without letting the package start its daemon on port 6379.

import { spawn } from 'node:child_process';
import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { findRedisBinary } from './redis-server.ts';

/** Debian's hook that packages ask before they start a daemon; exit 101 means "do not". */
const POLICY_PATH = '/usr/sbin/policy-rc.d';
const APT_TIMEOUT_MS = 240_000;

/** Installs redis-server if this machine allows it. Returns whether one is on the PATH now. */
export async function installRedis(say: (line: string) => void): Promise<boolean> {
  if (process.getuid?.() !== 0 || !(await isDebianLike())) return false;
  say('No Redis here: installing the distribution package redis-server with apt-get.');
  const ownsPolicy = !(await exists(POLICY_PATH));
  if (ownsPolicy) await writeFile(POLICY_PATH, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const failure =
      (await aptGet(['update'])) ??
      (await aptGet(['install', '-y', '--no-install-recommends', 'redis-server']));
    if (failure !== undefined) say(failure);
  } finally {
    if (ownsPolicy) await rm(POLICY_PATH, { force: true });
  }
  return findRedisBinary() !== undefined;
}

async function isDebianLike(): Promise<boolean> {
  try {
    return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(await readFile('/etc/os-release', 'utf8'));
  } catch {
    return false; // no os-release: not a distribution with apt
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Runs apt-get; resolves with its complaint, or with nothing when it succeeded. */
function aptGet(args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('apt-get', args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: APT_TIMEOUT_MS,
    });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-2000);
    });
    child.once('error', (error) => resolve(`apt-get ${args[0]}: ${error.message}`));
    child.once('close', (code) => {
      resolve(code === 0 ? undefined : `apt-get ${args[0]} failed: ${complaint.trim()}`);
    });
  });
}
