/** What benches give: samples (one subject, one case, one round) and the ratios made of them. */
import type { Latency, LoadResult } from '../load/plan.ts';

export interface Sample {
  /** The product, or a baseline. */
  subject: string;
  case: string;
  round: number;
  /** Numbers by name; the name ends in the unit. */
  metrics: Record<string, number>;
  latencies?: Record<string, Latency>;
  /** What limited it, what was odd. */
  notes: string[];
  /** Lost, doubled or reordered: of the product they fail the run. */
  faults: string[];
}

export interface RatioWish {
  label: string;
  metric: string;
  case: string;
  over: string;
  under: string;
  /** When the two are of different cases or metrics. */
  underCase?: string;
  underMetric?: string;
  target?: { atLeast?: number; atMost?: number };
}

/** A number that has a target of its own, against nothing. */
export interface FigureWish {
  label: string;
  metric: string;
  case: string;
  subject: string;
  unit: string;
  target?: { atLeast?: number; atMost?: number };
}

export interface Spread {
  median: number;
  min: number;
  max: number;
  count: number;
}

export interface Finding {
  label: string;
  value: Spread;
  /** `×`, or a unit. */
  unit: string;
  target: string;
  reached: boolean | null;
}

export interface BenchResult {
  name: string;
  title: string;
  settings: Record<string, string | number>;
  samples: Sample[];
  findings: Finding[];
  /** Reasons why this run does not count. */
  failures: string[];
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] ?? Number.NaN)
      : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
  return {
    median,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    count: values.length,
  };
}

/** Ratios within each round, then their median: what changes between rounds does not count. */
export function findRatios(samples: readonly Sample[], wishes: readonly RatioWish[]): Finding[] {
  return wishes.flatMap((wish) => {
    const values = samples
      .filter((sample) => sample.subject === wish.over && sample.case === wish.case)
      .flatMap((over) => {
        const under = samples.find(
          (sample) =>
            sample.subject === wish.under &&
            sample.case === (wish.underCase ?? wish.case) &&
            sample.round === over.round,
        );
        const [a, b] = [over.metrics[wish.metric], under?.metrics[wish.underMetric ?? wish.metric]];
        return a === undefined || b === undefined || b === 0 ? [] : [a / b];
      });
    return values.length === 0 ? [] : [finding(wish.label, spreadOf(values), '×', wish.target)];
  });
}

export function findFigures(samples: readonly Sample[], wishes: readonly FigureWish[]): Finding[] {
  return wishes.flatMap((wish) => {
    const values = samples
      .filter((sample) => sample.subject === wish.subject && sample.case === wish.case)
      .flatMap((sample) => sample.metrics[wish.metric] ?? []);
    return values.length === 0
      ? []
      : [finding(wish.label, spreadOf(values), wish.unit, wish.target)];
  });
}

function finding(
  label: string,
  value: Spread,
  unit: string,
  target: FigureWish['target'],
): Finding {
  const { atLeast, atMost } = target ?? {};
  const reached =
    atLeast !== undefined
      ? value.median >= atLeast
      : atMost !== undefined
        ? value.median <= atMost
        : null;
  const text = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : '';
  return { label, value, unit, target: text, reached };
}

/** The metrics that every load gives. */
export function usageMetrics({ used, done, delivered }: LoadResult): Record<string, number> {
  const seconds = used.durationMs / 1000;
  return {
    done_per_s: done / seconds,
    delivered_per_s: delivered / seconds,
    server_cores: used.serverCpuMs / used.durationMs,
    load_cores: used.loadCpuMs / used.durationMs,
    postgres_cores: used.postgresCpuMs / used.durationMs,
    redis_cores: used.redisCpuMs / used.durationMs,
    server_us_per_done: (used.serverCpuMs * 1000) / Math.max(1, done),
    server_us_per_delivery: (used.serverCpuMs * 1000) / Math.max(1, delivered),
    deliveries_per_server_cpu_s: delivered / Math.max(0.001, used.serverCpuMs / 1000),
  };
}

const SATURATED = 0.9;

/** What held the run back, as far as CPU time tells. */
export function limitNotes({ used }: LoadResult): string[] {
  const load = used.loadCpuMs / used.durationMs;
  const server = Math.max(0, ...used.eachServerCpuMs) / used.durationMs;
  const notes: string[] = [];
  if (load >= SATURATED || load >= server) {
    notes.push('load generator was the bottleneck, or as dear as the server');
  }
  if (server >= SATURATED) notes.push('server at its core');
  return notes;
}

export function faultTexts({ faults }: Pick<LoadResult, 'faults'>): string[] {
  const texts: string[] = [];
  for (const kind of ['lost', 'doubled', 'reordered', 'refused'] as const) {
    if (faults[kind] > 0) texts.push(`${faults[kind]} ${kind}`);
  }
  return [...texts, ...faults.notes];
}
