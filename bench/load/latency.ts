/** Latencies in a high dynamic range histogram: microseconds inside, milliseconds outside. */
import { build } from 'hdr-histogram-js';
import type { Latency } from './plan.ts';

const PERCENTILES = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100];
const MAX_MICROS = 120_000_000;

export function createLatency() {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_MICROS,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
  return {
    record(ms: number): void {
      histogram.recordValue(Math.min(MAX_MICROS, Math.max(1, Math.round(ms * 1000))));
    },
    read(): Latency {
      const count = histogram.totalCount;
      return {
        count,
        mean: count === 0 ? 0 : histogram.mean / 1000,
        percentiles:
          count === 0 ? [] : PERCENTILES.map((p) => [p, histogram.getValueAtPercentile(p) / 1000]),
      };
    },
  };
}
