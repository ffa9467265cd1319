/**
 * REST requests, by route and outcome: how many, and how long until each was answered.
 *
 * Guarantees: the labels are bounded, whatever is asked for; an observation is an addition.
 */
import { Histogram, type HistogramConfiguration, type Registry } from 'prom-client';

/** Counts one answer: its status, and how many milliseconds it took. */
export type AnswerObserver = (status: number, durationMs: number) => void;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** The label of all routes that there are not. */
const NO_ROUTE = 'none';

type SeriesLabel = 'method' | 'route' | 'status';

/** The answers of one route with one class of status. */
class Series {
  readonly labels: Readonly<Record<SeriesLabel, string>>;
  /** Answers by bucket, not yet added up; the last is beyond all bounds. */
  readonly counts = new Array<number>(SECONDS.length + 1).fill(0);
  sum = 0;

  constructor(labels: Series['labels']) {
    this.labels = labels;
  }

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < SECONDS.length && seconds > (SECONDS[bucket] ?? 0)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += seconds;
  }

  /** The values as prom-client shows a histogram: buckets that contain the ones before, then sum and count. */
  values(name: string) {
    let count = 0;
    const buckets = this.counts.map((inBucket, at) => {
      count += inBucket;
      const labels = { ...this.labels, le: SECONDS[at] ?? '+Inf' };
      return { metricName: `${name}_bucket`, labels, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: this.labels, value: this.sum },
      { metricName: `${name}_count`, labels: this.labels, value: count },
    ];
  }
}

/**
 * A histogram that is counted in `Series` and shown when somebody asks: prom-client's own makes a
 * key of the labels at every observation, which takes longer than routing the request.
 */
class SeriesHistogram extends Histogram<SeriesLabel | 'le'> {
  readonly #name: string;
  readonly #series: Series[] = [];
  readonly #empty: Histogram<SeriesLabel | 'le'>;

  constructor(configuration: HistogramConfiguration<SeriesLabel | 'le'>) {
    super(configuration);
    this.#name = configuration.name;
    this.#empty = new Histogram({ ...configuration, registers: [] });
  }

  add(labels: Series['labels']): Series {
    const series = new Series(labels);
    this.#series.push(series);
    return series;
  }

  override async get() {
    const values = this.#series.flatMap((series) => series.values(this.#name));
    return { ...(await this.#empty.get()), values };
  }

  /** What the registry asks for instead of `get` when it makes text. */
  getForPromString() {
    return this.get();
  }
}

/** The meter of REST requests, shown in `registers`. */
export function createRequestMeter(registers: Registry[]) {
  const seconds = new SeriesHistogram({
    name: 'messaging_http_request_duration_seconds',
    help: 'Time from a REST request until its answer is sent; route "none" is all that are not there.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });

  /** The observer of a route's answers; its series begin with their first answers. */
  function route(method: string, pattern: string): AnswerObserver {
    const byClass: Series[] = [];
    return (status, durationMs) => {
      const hundreds = Math.trunc(status / 100);
      byClass[hundreds] ??= seconds.add({ method, route: pattern, status: `${hundreds}xx` });
      byClass[hundreds].observe(durationMs / 1_000);
    };
  }

  const none = new Map<string, AnswerObserver>();
  return {
    route,
    /** The observer of answers to requests that no route took. */
    noRoute(method: string): AnswerObserver {
      const known = METHODS.has(method) ? method : 'other';
      const observer = none.get(known) ?? route(known, NO_ROUTE);
      none.set(known, observer);
      return observer;
    },
  };
}
