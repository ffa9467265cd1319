/** Which plots are drawn of which bench. */
import { type BenchResult, type Sample, spreadOf } from '../harness/result.ts';
import { groups } from '../harness/table.ts';
import { barPlot, linePlot } from './plot.ts';

export interface Drawing {
  name: string;
  svg: string;
}

/** The plots of a result; none where it has nothing to draw. */
export async function drawPlots(result: BenchResult): Promise<Drawing[]> {
  const draw = PLOTS[result.name];
  return draw === undefined ? [] : draw(result.samples);
}

type Draw = (samples: readonly Sample[]) => Promise<Drawing[]>;

const PLOTS: Record<string, Draw> = {
  latency: async (samples) => [
    {
      name: 'latency-distribution',
      svg: await linePlot({
        title: 'Send to receive, from the moment a message was due',
        rows: percentileRows(samples),
        x: { field: 'x', title: 'percentile', log: true },
        y: { field: 'ms', title: 'milliseconds', log: true },
        percentiles: true,
      }),
    },
    ...(await againstLoad('latency-against-load', samples, 'delivery_p99_ms', 'p99, milliseconds')),
  ],
  durable: async (samples) => [
    ...(await againstLoad('throughput-against-load', samples, 'done_per_s', 'stored messages/s')),
    ...(await againstLoad('durable-latency-against-load', samples, 'ack_p99_ms', 'p99 to ack, ms')),
  ],
  fanout: async (samples) => [
    {
      name: 'fanout',
      svg: await barPlot({
        title: 'Deliveries per CPU second of the server',
        valueTitle: 'deliveries/s',
        rows: [...groups(samples).values()].flatMap((group) => {
          const [first] = group;
          if (first === undefined) return [];
          const value = medianOf(group, 'deliveries_per_server_cpu_s');
          return [{ group: first.case, series: first.subject, value }];
        }),
      }),
    },
  ],
  connections: async (samples) => [
    {
      name: 'memory-against-connections',
      svg: await linePlot({
        title: 'Resident memory of the server',
        rows: memoryRows(samples),
        x: { field: 'connections', title: 'idle joined connections' },
        y: { field: 'mb', title: 'MB' },
      }),
    },
  ],
  'history-depth': async (samples) => [
    {
      name: 'history-depth',
      svg: await linePlot({
        title: 'A page of 50 messages at depth',
        rows: [...groups(samples.filter((s) => s.case.startsWith('offset'))).values()].flatMap(
          (group) => {
            const [first] = group;
            if (first === undefined) return [];
            const depth = Math.max(1, first.metrics.depth ?? 0);
            return [{ series: first.subject, depth, ms: medianOf(group, 'ack_p50_ms') }];
          },
        ),
        x: { field: 'depth', title: 'messages before it (offset)', log: true },
        y: { field: 'ms', title: 'median milliseconds', log: true },
      }),
    },
  ],
};

function medianOf(group: readonly Sample[], metric: string): number {
  return spreadOf(group.flatMap((sample) => sample.metrics[metric] ?? [])).median;
}

/** Each subject at its rate; the medians over the rounds of each percentile. */
function percentileRows(samples: readonly Sample[]) {
  return [...groups(samples)].flatMap(([series, group]) => {
    const lists = group.flatMap((sample) => sample.latencies?.delivery?.percentiles ?? []);
    const percentiles = [...new Set(lists.map(([p]) => p))].filter((p) => p > 0 && p < 100);
    return percentiles.map((p) => ({
      series,
      x: 100 / (100 - p),
      ms: spreadOf(lists.filter(([q]) => q === p).map(([, ms]) => ms)).median,
    }));
  });
}

async function againstLoad(
  name: string,
  samples: readonly Sample[],
  metric: string,
  title: string,
): Promise<Drawing[]> {
  const open = samples.filter((sample) => sample.metrics.offered_per_s !== undefined);
  if (open.length === 0) return [];
  const rows = [...groups(open).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const offered = first.metrics.offered_per_s ?? 0;
    return [{ series: first.subject, offered, value: medianOf(group, metric) }];
  });
  const svg = await linePlot({
    title: `${title} against load`,
    rows,
    x: { field: 'offered', title: 'messages/s offered', log: true },
    y: { field: 'value', title, log: true },
  });
  return [{ name, svg }];
}

function memoryRows(samples: readonly Sample[]) {
  return [...groups(samples).values()].flatMap((group) => {
    const names = Object.keys(group[0]?.metrics ?? {});
    return names.flatMap((name) => {
      const connections = /^rss_mb_at_(\d+)$/.exec(name)?.[1];
      if (connections === undefined) return [];
      const series = group[0]?.subject ?? '';
      return [{ series, connections: Number(connections), mb: medianOf(group, name) }];
    });
  });
}
