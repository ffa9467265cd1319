/**
 * The figures of several processes as those of one service.
 *
 * Guarantees: figures of a process that is gone, or does not answer, can go on being counted
 * (`countersOf`), so that no counter falls: Prometheus would take that for a restart and see a burst.
 */
import { type Aggregator, AggregatorRegistry, type Registry } from 'prom-client';

/** One metric as prom-client shows it in JSON. */
export interface Figure {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  values: { value: number; labels: object; metricName?: string }[];
}
export type Figures = readonly Figure[];

/** How to merge what does not add up. All others are sums over the processes. */
const NOT_ADDED_UP: Readonly<Record<string, Aggregator>> = {
  messaging_build_info: 'first',
  // One process in trouble is to be seen, not averaged away.
  messaging_draining: 'max',
  messaging_bus_up: 'min',
  messaging_bus_round_trip_seconds: 'max',
  messaging_event_loop_utilization_ratio: 'max',
  nodejs_eventloop_lag_seconds: 'max',
  process_start_time_seconds: 'min',
};

const AGGREGATORS: readonly unknown[] = ['omit', 'sum', 'first', 'min', 'max', 'average'];
/** The types of figures that only ever grow. */
const COUNTING = new Set(['counter', 'histogram']);

/** All figures of this process that are in `registry`. */
export async function figuresOf(registry: Pick<Registry, 'getMetricsAsJSON'>): Promise<Figures> {
  const figures = readFigures(await registry.getMetricsAsJSON());
  if (figures === null)
    throw new Error('prom-client shows its metrics in a form that is not known');
  return figures;
}

/** The figures in what another process sent, or null when it sent something else. */
export function readFigures(sent: unknown): Figures | null {
  return Array.isArray(sent) && sent.every(isFigure) ? sent : null;
}

function isFigure(it: unknown): it is Figure {
  return (
    isRecord(it) &&
    [it.name, it.help, it.type].every((text) => typeof text === 'string') &&
    AGGREGATORS.includes(it.aggregator) &&
    Array.isArray(it.values) &&
    it.values.every(
      // TypeBox knows no NaN, which is a figure too.
      (one) => isRecord(one) && typeof one.value === 'number' && isRecord(one.labels),
    )
  );
}

function isRecord(it: unknown): it is Readonly<Record<string, unknown>> {
  return typeof it === 'object' && it !== null;
}

/** What is left of a process's figures when it is not there to say what is the case now. */
export function countersOf(figures: Figures): Figures {
  return figures.filter(({ type }) => COUNTING.has(type));
}

/** The figures of several processes merged into those of one. */
export function mergeFigures(parts: readonly Figures[]): Promise<Figures> {
  return figuresOf(merged(parts));
}

/** The figures of several processes merged, as Prometheus text. */
export function mergedText(parts: readonly Figures[]): Promise<string> {
  return merged(parts).metrics();
}

function merged(parts: readonly Figures[]) {
  return AggregatorRegistry.aggregate(
    parts.map((figures) =>
      figures.map((one) => ({ ...one, aggregator: NOT_ADDED_UP[one.name] ?? one.aggregator })),
    ),
  );
}
