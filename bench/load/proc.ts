/** CPU time of processes as the Linux scheduler counts it: nanoseconds, all threads. */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of CPU process `pid` has used; 0 when it is gone. */
export function cpuMsOf(pid: number): number {
  let total = 0;
  for (const task of list(`/proc/${pid}/task`)) {
    const [ran] = read(`/proc/${pid}/task/${task}/schedstat`).split(' ');
    total += Number(ran ?? 0) / 1e6;
  }
  return total;
}

/** Fields of /proc/<pid>/stat after the name: parent, user and system time of children that have ended. */
const [PARENT, CHILDREN_USER, CHILDREN_SYSTEM] = [1, 13, 14];
const TICK_MS = 10;

/** Milliseconds of CPU of all processes of this machine with such a name, ended children included. */
export function cpuMsOfAll(...names: string[]): number {
  let total = 0;
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid) || !names.includes(read(`/proc/${pid}/comm`).trim())) continue;
    const fields = statOf(pid);
    const ended = Number(fields[CHILDREN_USER] ?? 0) + Number(fields[CHILDREN_SYSTEM] ?? 0);
    total += cpuMsOf(Number(pid)) + ended * TICK_MS;
  }
  return total;
}

/** Its children now, theirs, and so on. */
export function descendantsOf(pid: number): number[] {
  const own = String(pid);
  const children = list('/proc').filter((id) => /^\d+$/.test(id) && statOf(id)[PARENT] === own);
  return children.flatMap((id) => [Number(id), ...descendantsOf(Number(id))]);
}

/** Resident memory in bytes. */
export function residentBytesOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`));
  return Number(match?.[1] ?? 0) * 1024;
}

function statOf(pid: string): string[] {
  return read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
}

// A process may end while it is looked at: then there is nothing to count.
function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
