/** A node of the run: the service as a process on a port of its own, which it keeps over restarts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { freePort } from '../support/ports.ts';

const START_TIMEOUT_MS = 60_000;
/** Of its output, for the report when something goes wrong. */
const OUTPUT_TAIL = 20_000;

export interface NodeProcess {
  readonly url: string;
  /** The process id now; another one after each start. */
  readonly pid: number;
  readonly alive: boolean;
  readonly listening: boolean;
  /** Starts it; resolves when it listens. @throws Error with its output when it does not */
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, null when it was killed, once it has ended. */
  ended(): Promise<number | null>;
  /** Resident memory, or 0 when it does not listen. */
  residentBytes(): Promise<number>;
  /** The last that it wrote. */
  output(): string;
  discard(): Promise<void>;
}

export async function createNode(
  directory: string,
  env: Record<string, string>,
): Promise<NodeProcess> {
  const port = await freePort();
  let child: ChildProcess | undefined;
  let exit: Promise<number | null> = Promise.resolve(null);
  let output = '';
  let up = false;

  const alive = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;
  const killAtExit = (): void => void child?.kill('SIGKILL');
  process.once('exit', killAtExit);

  async function start(): Promise<void> {
    const started = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        NODE_ENV: 'test',
        LOG_LEVEL: 'warn',
        HOST: '127.0.0.1',
        PORT: String(port),
        DATABASE_POOL_MAX: '5',
        RATE_LIMIT: 'off',
        ...env,
      },
    });
    child = started;
    up = false;
    exit = new Promise((resolve) => started.once('close', (code) => resolve(code)));
    let listens: () => void = () => undefined;
    const listening = new Promise<true>((resolve) => {
      listens = () => resolve(true);
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_TAIL);
        if (text.includes('listens on http')) listens();
      });
    }
    const timer = setTimeout(() => started.kill('SIGKILL'), START_TIMEOUT_MS);
    up = await Promise.race([listening, exit.then(() => false as const)]);
    clearTimeout(timer);
    if (!up) throw new Error(`A node did not start:\n${output}`);
  }

  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? -1;
    },
    get alive() {
      return alive();
    },
    get listening() {
      return up && alive();
    },
    start,
    signal(signal) {
      child?.kill(signal);
    },
    ended: () => exit,
    async residentBytes() {
      if (!up || !alive()) return 0;
      const text = await readFile(`/proc/${child?.pid}/status`, 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
    },
    output: () => output,
    async discard() {
      process.off('exit', killAtExit);
      if (!alive()) return;
      child?.kill('SIGKILL');
      await exit;
    },
  };
}
