// Looking at other processes by id: do they live, are they still the ones we knew, what do they
// run. An id alone proves nothing, because ids are used again. Imports nothing of src.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { errorCode } from './errors.ts';

const POLL_INTERVAL_MS = 20;
const PS_TIMEOUT_MS = 5_000;

/** Whether a process with this id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/**
 * A text that differs between a process and a later one with the same id: boot and start time.
 * Undefined when there is no such process or this system does not tell.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'lstart');
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // proc(5): the name (field 2) may hold spaces and parentheses; start time is field 22.
    const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startTicks === undefined ? undefined : `${bootId.trim()} ${startTicks}`;
  } catch {
    return undefined; // gone meanwhile, or hidden from this user
  }
}

/** The command line of a process, words separated by spaces; undefined when it cannot be seen. */
export async function commandLine(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'command');
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
  } catch {
    return undefined; // gone meanwhile, or hidden from this user
  }
}

/** Waits until the process is gone; false when it still lives after `timeoutMs`. */
export async function waitUntilGone(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() >= deadline) return false;
    // Not our child, so there is no event to wait for.
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  return true;
}

function ps(pid: number, column: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = ['-ww', '-o', `${column}=`, '-p', String(pid)];
    execFile('ps', args, { timeout: PS_TIMEOUT_MS }, (error, stdout) => {
      resolve(error === null && stdout.trim() !== '' ? stdout.trim() : undefined);
    });
  });
}
