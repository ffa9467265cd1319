/**
 * How busy the event loop is. Node counts that as it goes, so it costs nothing until somebody asks; the
 * histogram of delays that prom-client offers instead wakes the process up by a timer, for ever.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import { LEAST_UTILIZATION_SPAN_MS } from '../bounds/metrics.ts';

/** What prom-client reads from its histogram. */
const DELAYS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (figure) => `nodejs_eventloop_lag_${figure}_seconds`,
);
/** The longest interval that a timer has. */
const NEVER_MS = 2 ** 31 - 1;

/** Puts the figures of the process and of Node into `registry`, but none that takes a timer. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of DELAYS) registry.removeSingleMetric(name);
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  new Gauge({
    name: 'messaging_event_loop_utilization_ratio',
    help: 'Share of the time since the last scrape in which the event loop was at work.',
    registers: [registry],
    collect() {
      const now = performance.eventLoopUtilization();
      const since = performance.eventLoopUtilization(now, before);
      if (since.idle + since.active < LEAST_UTILIZATION_SPAN_MS) return;
      before = now;
      this.set(since.utilization);
    },
  });
}
