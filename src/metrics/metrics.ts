/**
 * What the node counts, in the text format of Prometheus.
 *
 * Guarantees: every name, label and label value is known beforehand (nothing a client sends becomes
 * one), and a scrape costs the hot path nothing: counters are read from the parts' own `stats()` when
 * somebody asks. Only acknowledgements, batches and REST answers are timed as they happen.
 */
import { Histogram, Registry } from 'prom-client';
import type { Messages } from '../chat/messages.ts';
import { collectProcessMetrics } from './event-loop.ts';
import { type Figures, figuresOf } from './merge.ts';
import { createRequestMeter } from './request-meter.ts';
import { createSendMeter } from './send-meter.ts';
import type { MetricsSources } from './sources.ts';
import { readOnScrape } from './stats-metrics.ts';

export interface Metrics {
  /** The rules for sending, with every call timed and counted by its outcome. */
  measured(messages: Messages): Messages;
  /** Counts a batch the writer has seen through: how many messages, and in how many milliseconds. */
  batchWritten(size: number, durationMs: number): void;
  /** Where REST requests are counted by route. */
  readonly requests: ReturnType<typeof createRequestMeter>;
  /** Where the other figures come from; called once, when the parts exist. */
  watch(sources: MetricsSources): void;
  readonly contentType: string;
  /** Everything, as Prometheus text. */
  text(): Promise<string>;
  /** Everything, as it is merged with the figures of other processes. */
  figures(): Promise<Figures>;
}

const BATCH_MESSAGES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];
const BATCH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The figures of this process, in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  const batchMessages = new Histogram({
    name: 'messaging_store_batch_messages',
    help: 'Messages committed together in one transaction.',
    buckets: BATCH_MESSAGES,
    registers,
  });
  const batchSeconds = new Histogram({
    name: 'messaging_store_batch_seconds',
    help: 'Time from the beginning of a batch until it is committed or given up.',
    buckets: BATCH_SECONDS,
    registers,
  });
  const sendMeter = createSendMeter(registers);

  return {
    measured: sendMeter.measured,
    batchWritten(size, durationMs) {
      batchMessages.observe(size);
      batchSeconds.observe(durationMs / 1_000);
    },
    requests: createRequestMeter(registers),
    watch: (sources) => readOnScrape(registers, sources),
    contentType: registry.contentType,
    text: () => registry.metrics(),
    figures: () => figuresOf(registry),
  };
}
