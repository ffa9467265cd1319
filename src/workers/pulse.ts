/**
 * Whether workers still answer.
 *
 * Guarantees: one that has not answered so many questions in a row is told of, each question given
 * `intervalMs` for its answer at least. Questions are counted, not time: while the supervisor itself
 * does not run (a suspended machine, one without a core to spare), none is asked, and the answers that
 * came meanwhile are read before the next one is.
 */
import type { WorkerProcess } from './worker-process.ts';

export interface PulseLimits {
  readonly intervalMs: number;
  /** Questions in a row that may stay without an answer. */
  readonly maxUnanswered: number;
}

export interface PulseDeps {
  workers(): Iterable<WorkerProcess>;
  limits: PulseLimits;
  onSilent(worker: WorkerProcess): void;
}

/** Asks all of `workers` once in `intervalMs`, from now until `stop`. */
export function createPulse({ workers, limits, onSilent }: PulseDeps): { stop(): void } {
  const timer = setInterval(() => {
    for (const worker of workers()) {
      if (worker.unanswered() >= limits.maxUnanswered) onSilent(worker);
      else worker.ask();
    }
  }, limits.intervalMs);
  return { stop: () => clearInterval(timer) };
}
