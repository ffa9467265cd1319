/**
 * The figures of all workers as one text.
 *
 * Guarantees: one collection at a time and so many a second, answered within `FIGURES_ANSWER_MS`; a worker
 * that is silent is left out and counted; what a worker has counted stays counted when it is silent or gone.
 */
import { FIGURES_ANSWER_MS } from '../bounds/workers.ts';
import { type Figures, mergedText, mergeFigures } from '../metrics/merge.ts';
import { atBoundedRate, type Rate } from '../shared/bounded-rate.ts';
import type { WorkerProcess } from './worker-process.ts';

/** How often figures are collected at most: all workers have to tell theirs. */
const COLLECTED: Rate = { most: 10, windowMs: 1_000 };

export interface CollectionDeps {
  workers(): Iterable<WorkerProcess>;
  /** The figures of the supervisor itself. */
  own(): Promise<Figures>;
  /** Called when a worker's figures did not come in time. */
  onUnanswered(worker: WorkerProcess): void;
}

/** The collection of one supervisor. */
export function createCollection({ workers, own, onUnanswered }: CollectionDeps) {
  /** The counters of workers that are gone. */
  let gone: Promise<Figures> = Promise.resolve([]);

  async function figuresOf(worker: WorkerProcess): Promise<Figures> {
    const figures = await worker.figures(FIGURES_ANSWER_MS);
    if (figures !== null) return figures;
    onUnanswered(worker);
    return worker.lastCounters();
  }

  async function collect(): Promise<string> {
    // Taken in one turn: a worker that ends meanwhile is counted among the living alone.
    const retired = gone;
    const living = [...workers()].map(figuresOf);
    return mergedText([...(await Promise.all(living)), await retired, await own()]);
  }

  return {
    text: atBoundedRate(collect, COLLECTED),

    /** Keeps what a worker that is gone has counted. */
    retire(worker: WorkerProcess): void {
      gone = gone.then((before) => mergeFigures([before, worker.lastCounters()]));
    },
  };
}
