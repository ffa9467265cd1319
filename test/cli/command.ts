/** The command line as its users run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { compiledFile } from '../support/service-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE_MS = 60_000;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  stdout(): string;
  ended: Promise<Ended>;
}

/** Starts `messaging-service …` with this environment and no other settings. */
export function start(args: string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [compiledFile('cli.js'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, HOST: '127.0.0.1', PORT: '0', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    clearTimeout(timer);
    return { code: code ?? null, stdout, stderr };
  });
  return { child, stdout: () => stdout, ended };
}

/** Runs it to its end. */
export function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return start(args, env).ended;
}
