// Looking at other processes by id: do they live, are they still the ones we knew, what do they
// run. An id alone proves nothing, because ids are used again. Imports nothing of src.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { PROCESS_POLL_MS, PS_MS } from '../bounds/embedded.ts';
import { errorCode } from './errors.ts';

/**
 * Whether a process with this id exists and runs, whoever owns it; `ended` when it is over but its
 * parent has not collected it, which a container without an init process never does.
 */
export async function processState(pid: number): Promise<'none' | 'ended' | 'alive'> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return 'none';
  }
  if (process.platform !== 'linux') {
    return (await ps(pid, 'state'))?.startsWith('Z') === true ? 'ended' : 'alive';
  }
  const state = (await statFields(pid))?.[0];
  return state === 'Z' || state === 'X' ? 'ended' : 'alive';
}

/**
 * A text that differs between a process and a later one with the same id: boot and start time.
 * Undefined when there is no such process or this system does not tell.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'lstart');
  const startTicks = (await statFields(pid))?.[19];
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return startTicks === undefined ? undefined : `${bootId.trim()} ${startTicks}`;
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
  while ((await processState(pid)) === 'alive') {
    if (performance.now() >= deadline) return false;
    // Not our child, so there is no event to wait for.
    await new Promise((resolve) => setTimeout(resolve, PROCESS_POLL_MS));
  }
  return true;
}

/** proc(5): the fields of /proc/<pid>/stat from the third (state) on; the start time is [19]. */
async function statFields(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name, may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // gone meanwhile, or hidden from this user
  }
}

function ps(pid: number, column: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = ['-ww', '-o', `${column}=`, '-p', String(pid)];
    execFile('ps', args, { timeout: PS_MS }, (error, stdout) => {
      resolve(error === null && stdout.trim() !== '' ? stdout.trim() : undefined);
    });
  });
}
