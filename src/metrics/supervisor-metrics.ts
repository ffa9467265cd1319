/** What the supervisor of several processes counts itself. */
import { Registry } from 'prom-client';
import { type Figures, figuresOf } from './merge.ts';
import { scrapeReaders } from './scrape-readers.ts';

export interface SupervisorStats {
  wanted: number;
  running: number;
  /** Workers started in the place of one that had died. */
  restarts: number;
  /** Times a worker's figures did not come in time. */
  unanswered: number;
}

/** Reads `stats` whenever the figures are asked for. */
export function createSupervisorMetrics(stats: () => SupervisorStats): () => Promise<Figures> {
  const registry = new Registry();
  const { gauge, counter } = scrapeReaders([registry]);
  gauge('messaging_workers_wanted', 'Processes there should be (WORKERS).', () => stats().wanted);
  gauge('messaging_workers_running', 'Processes that listen.', () => stats().running);
  counter(
    'messaging_worker_restarts_total',
    'Processes started in the place of one that had died.',
    () => stats().restarts,
  );
  counter(
    'messaging_worker_figures_missed_total',
    'Times a process did not tell its figures in time: its gauges are missing then.',
    () => stats().unanswered,
  );
  return () => figuresOf(registry);
}
