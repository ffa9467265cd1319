// Looking at the machine's processes from a test. Reads /proc where there is one: small images have
// no `ps`.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface ProcessRow {
  pid: number;
  parent: number;
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
      rows.push({
        pid: Number(name),
        parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]),
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
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-A', '-o', 'pid=,ppid=,command=']);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined
      ? []
      : [{ pid: Number(pid), parent: Number(parent), command: command ?? '' }];
  });
}
