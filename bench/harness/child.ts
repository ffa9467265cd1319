/** A child process that answers questions over IPC, and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const STOP_MS = 10_000;
const MAX_OUTPUT = 100_000;

const running = new Set<ChildProcess>();
const interruption = new AbortController();
/** Aborted when the benches are to end at once. */
export const interrupted: AbortSignal = interruption.signal;

/** Ends all children and lets no more start: what waits for one fails, and cleans up behind itself. */
export function interrupt(): void {
  interruption.abort();
  for (const child of running) child.kill('SIGKILL');
}

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  /** The end of what it wrote. */
  output(): string;
  /** Resolves with the first match in what it writes. Rejects when it ends before. */
  says(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
  /** Resolves with the next message it sends. Rejects when it ends or is silent. */
  nextMessage(timeoutMs: number): Promise<unknown>;
  /** SIGTERM, or what is named; after a while SIGKILL; resolves when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Runs a script with this same Node. `env` is all it gets, but for PATH and HOME. */
export function startChild(
  nodeArguments: readonly string[],
  env: Record<string, string>,
  cwd?: string,
): Child {
  return watch(() =>
    spawn(process.execPath, nodeArguments, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    }),
  );
}

/** Runs another program, which is asked over its standard input. `env` is all it gets, but for PATH. */
export function startProgram(
  command: string,
  programArguments: readonly string[],
  env: Record<string, string>,
  cwd: string,
): Child {
  return watch(() =>
    spawn(command, programArguments, {
      cwd,
      stdio: 'pipe',
      env: { PATH: process.env.PATH, ...env },
    }),
  );
}

function watch(start: () => ChildProcess): Child {
  interrupted.throwIfAborted();
  const child = start();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT);
    });
  }
  // Asked when it is gone already: its end tells so.
  child.stdin?.on('error', () => undefined);
  running.add(child);
  child.once('exit', () => running.delete(child));
  const exited = once(child, 'exit');
  const ended = () => new Error(`a process ended early:\n${output}`);

  function within<T>(what: string, timeoutMs: number, start: (done: (value: T) => void) => void) {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.off('exit', over);
        reject(new Error(`${what}: nothing for ${timeoutMs} ms\n${output}`));
      }, timeoutMs);
      const over = (): void => {
        clearTimeout(timer);
        reject(ended());
      };
      child.once('exit', over);
      start((value) => {
        clearTimeout(timer);
        child.off('exit', over);
        resolve(value);
      });
    });
  }

  return {
    process: child,
    pid: child.pid ?? -1,
    output: () => output,
    says: (pattern, timeoutMs) =>
      within(`waiting for ${pattern}`, timeoutMs, (done) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match !== null) done(match);
        };
        child.stdout?.on('data', look);
        look();
      }),
    nextMessage: (timeoutMs) =>
      within('waiting for a message', timeoutMs, (done) => child.once('message', done)),
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
