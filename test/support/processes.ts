// Looking at the machine's processes from a test. Reads /proc where there is one: small images have
// no `ps`.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface ProcessRow {
  pid: number;
  parent: number;
  /** One letter as in proc(5) and ps(1): R running, S sleeping, T stopped, Z ended … */
  state: string;
  /** The words of the command line, separated by spaces; empty for a process that has ended. */
  command: string;
}

/** Every process this user can see. */
export async function listProcesses(): Promise<ProcessRow[]> {
  if (process.platform !== 'linux') return listWithPs();
  const rows: ProcessRow[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8');
      const command = await readFile(`/proc/${name}/cmdline`, 'utf8');
      const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      rows.push({
        pid: Number(name),
        parent: Number(parent),
        state,
        command: command.replaceAll('\0', ' ').trim(),
      });
    } catch {
      // It ended while we were looking.
    }
  }
  return rows;
}

export async function childrenOf(pid: number): Promise<number[]> {
  return (await listProcesses()).filter((row) => row.parent === pid).map((row) => row.pid);
}

async function listWithPs(): Promise<ProcessRow[]> {
  const columns = 'pid=,ppid=,state=,command=';
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-A', '-o', columns]);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S)\S*\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state === undefined) return [];
    return [{ pid: Number(pid), parent: Number(parent), state, command: command ?? '' }];
  });
}
