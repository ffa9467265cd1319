// The last resort for a test run without Redis, or without nginx: as root on Debian or Ubuntu, install
// the distribution's package, without letting it start its daemon on the usual port.

import { spawn } from 'node:child_process';
import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { findRedisBinary } from './redis-server.ts';

/** Debian's hook that packages ask before they start a daemon; exit 101 means "do not". */
const POLICY_PATH = '/usr/sbin/policy-rc.d';
const APT_TIMEOUT_MS = 240_000;

/** Installs redis-server if this machine allows it. Returns whether one is on the PATH now. */
export async function installRedis(say: (line: string) => void): Promise<boolean> {
  await installPackage('redis-server', say);
  return findRedisBinary() !== undefined;
}

/** Installs a package of the distribution if this machine allows it; `say` hears what went wrong. */
export async function installPackage(name: string, say: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0 || !(await isDebianLike())) return;
  say(`Installing the distribution package ${name} with apt-get.`);
  const ownsPolicy = !(await exists(POLICY_PATH));
  if (ownsPolicy) await writeFile(POLICY_PATH, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const failure =
      (await aptGet(['update'])) ??
      (await aptGet(['install', '-y', '--no-install-recommends', name]));
    if (failure !== undefined) say(failure);
  } finally {
    if (ownsPolicy) await rm(POLICY_PATH, { force: true });
  }
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
