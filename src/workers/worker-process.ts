/** A worker as its supervisor sees it: a forked process, from its start to its end. */
import { fork } from 'node:child_process';
import { WORKER_START_MS, WORKER_STOP_AFTER_DRAIN_MS } from '../bounds/workers.ts';
import { countersOf, type Figures, readFigures } from '../metrics/merge.ts';
import { readToSupervisor, type StartMessage, type ToWorker, WORKER_ARGUMENT } from './messages.ts';

export interface WorkerDeps {
  /** The file that is run: the entry point of the service. */
  entry: string;
  order: Omit<StartMessage, 'type'>;
  /** How long it sends its connections away when it ends, milliseconds. */
  graceMs: number;
  /** The figures of all workers, for those that are asked for them; null when there are none. */
  exposition(): Promise<string | null>;
}

export interface WorkerProcess {
  readonly number: number;
  readonly pid: number;
  /** Whether it takes connections. */
  isListening(): boolean;
  /** Whether it has been told to end. */
  isStopping(): boolean;
  /** Resolves when it listens; rejects with a sentence when it ends before. */
  readonly listening: Promise<void>;
  /** Resolves when it is gone, with the words for how: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  /** How long since it listened, milliseconds; 0 when it never did. */
  livedMs(): number;
  /** Its figures now; null when it has none or does not answer in time. One call at a time. */
  figures(timeoutMs: number): Promise<Figures | null>;
  /** Its counters as it told them last. */
  lastCounters(): Figures;
  /** Asks whether it lives. */
  ask(): void;
  /** How often it has been asked since it was last heard. */
  unanswered(): number;
  /** Sends SIGKILL: it is past being asked to end. */
  kill(): void;
  /** Sends SIGTERM, later SIGKILL; resolves when it is gone with whether it went by itself. Safe to call again. */
  stop(): Promise<boolean>;
}

/** Forks a worker and gives it its order; returns at once. */
export function startWorker({ entry, order, graceMs, exposition }: WorkerDeps): WorkerProcess {
  const child = fork(entry, [WORKER_ARGUMENT, String(order.worker)], {
    // Structured clones: JSON has no NaN.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let listeningSince: number | null = null;
  let gone = false;
  let sentence: string | null = null;
  let last: Figures = [];
  /** Whether the worker has been asked for figures that have not come. */
  let owesFigures = false;
  /** Questions whether it lives, asked since it was last heard. */
  let unanswered = 0;
  /** Settles the question under way; one at a time. */
  let asked: ((figures: Figures | null) => void) | null = null;
  let stopping: Promise<boolean> | null = null;

  const ended = new Promise<string>((resolve) => {
    // After the last message, which `exit` may come before.
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    // Not even forked.
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(error.message);
    });
  }).then((how) => {
    gone = true;
    asked?.(null);
    return sentence === null ? how : `${how}: ${sentence}`;
  });

  const listening = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), WORKER_START_MS);
    child.on('message', (sent) => {
      unanswered = 0;
      const message = readToSupervisor(sent);
      if (message?.type === 'listening') {
        clearTimeout(timer);
        listeningSince = performance.now();
        resolve();
      }
      if (message?.type === 'failed') sentence = message.sentence;
      if (message?.type === 'scrape') void answer(message.id);
      if (message?.type === 'figures') take(message.figures);
    });
    ended.then((how) => {
      clearTimeout(timer);
      reject(new Error(sentence ?? `worker ${order.worker} ended before it listened (${how})`));
    });
  });
  // Whoever did not wait for it learns the same from `ended`.
  listening.catch(() => undefined);
  say({ type: 'start', ...order });

  function say(message: ToWorker): void {
    // Failing to write to it means that it is going; `ended` tells.
    if (child.connected) child.send(message, () => undefined);
  }

  async function answer(id: number): Promise<void> {
    const text = await exposition();
    if (text !== null) say({ type: 'exposition', id, text });
  }

  function take(figures: unknown): void {
    const read = readFigures(figures);
    owesFigures = false;
    if (read !== null) last = countersOf(read);
    asked?.(read);
  }

  async function end(): Promise<boolean> {
    let killed = false;
    child.kill('SIGTERM');
    const timer = setTimeout(() => {
      killed = child.kill('SIGKILL');
    }, graceMs + WORKER_STOP_AFTER_DRAIN_MS);
    await ended;
    clearTimeout(timer);
    return !killed;
  }

  return {
    number: order.worker,
    pid: child.pid ?? -1,
    isListening: () => listeningSince !== null && !gone,
    isStopping: () => stopping !== null,
    listening,
    ended,
    livedMs: () => (listeningSince === null ? 0 : performance.now() - listeningSince),
    figures(timeoutMs) {
      if (gone || listeningSince === null) return Promise.resolve(null);
      return new Promise((resolve) => {
        const timer = setTimeout(() => asked?.(null), timeoutMs);
        asked = (figures) => {
          clearTimeout(timer);
          asked = null;
          resolve(figures);
        };
        // To one that is silent nothing piles up: whenever it speaks again, it answers.
        if (!owesFigures) say({ type: 'collect' });
        owesFigures = true;
      });
    },
    lastCounters: () => last,
    ask() {
      // One question waits for it; more would only pile up.
      if (unanswered === 0) say({ type: 'ask' });
      unanswered += 1;
    },
    unanswered: () => unanswered,
    kill() {
      stopping ??= ended.then(() => false);
      child.kill('SIGKILL');
    },
    stop() {
      stopping ??= end();
      return stopping;
    },
  };
}
