/** The service as its users run it: a process with an environment, a port, signals and an exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once as onceEvent } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { keepLog } from './kept-logs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_TIMEOUT_MS = 60_000;

export interface ServiceProcess {
  url: string;
  port: number;
  pid: number;
  /** Everything it wrote. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code (null: killed) once it has ended. */
  exited: Promise<number | null>;
  /** SIGKILLs it if it still lives, and waits for the end. */
  discard(): Promise<void>;
}

export interface StartOptions {
  /** A process group of its own, to which a terminal's signals can be sent. */
  ownGroup?: boolean;
  /** How many files the process may have open; left out: as many as this one. */
  openFiles?: number;
}

interface Running {
  child: ChildProcess;
  kept: ReturnType<typeof keepLog>;
  output: string;
  exited: Promise<number | null>;
}

/**
 * The path of `main.js` or `cli.js`, compiled.
 *
 * @throws Error in a test of another project than "processes"
 */
export function compiledFile(name: 'main.js' | 'cli.js'): string {
  const directory = inject('compiledService');
  if (directory === undefined) {
    throw new Error('A test that starts the service belongs into PROCESSES of vitest.config.ts.');
  }
  return join(directory, name);
}

function run(
  env: Record<string, string>,
  { ownGroup = false, openFiles }: StartOptions = {},
): Running {
  const command = [process.execPath, compiledFile('main.js')];
  const [file = '', ...args] =
    openFiles === undefined
      ? command
      : ['/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$@"`, 'sh', ...command];
  const child = spawn(file, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_ENV: 'test',
      LOG_LEVEL: 'trace',
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_POOL_MAX: '4',
      ...env,
    },
  });
  const kept = keepLog(env);
  const running: Running = {
    child,
    kept,
    output: '',
    exited: onceEvent(child, 'close').then(([code]: (number | null)[]) => code ?? null),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      running.output += text;
      kept.write(text);
    });
  }
  return running;
}

/** Runs it to its end, for starts that are refused. */
export async function runToEnd(
  env: Record<string, string>,
  options: StartOptions = {},
): Promise<{ code: number | null; output: string }> {
  const running = run(env, options);
  const timer = setTimeout(() => running.child.kill('SIGKILL'), START_TIMEOUT_MS);
  const code = await running.exited;
  clearTimeout(timer);
  return { code, output: running.output };
}

/**
 * Starts the service and resolves when it listens.
 *
 * @throws Error with its output when it ends or is silent instead
 */
export async function startService(
  env: Record<string, string>,
  options: StartOptions = {},
): Promise<ServiceProcess> {
  const running = run(env, options);
  const { child } = running;
  const listening = new Promise<number>((resolve) => {
    child.stdout?.on('data', () => {
      const match = /listens on https?:\/\/localhost:(\d+)/.exec(running.output);
      if (match !== null) resolve(Number(match[1]));
    });
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  const port = await Promise.race([listening, running.exited.then(() => null)]);
  clearTimeout(timer);
  if (port === null) throw new Error(`the service did not start:\n${running.output}`);
  running.kept.mustHold('listens on http');
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? -1,
    output: () => running.output,
    kill: (signal) => {
      child.kill(signal);
    },
    exited: running.exited,
    async discard() {
      child.kill('SIGKILL');
      await running.exited;
    },
  };
}
