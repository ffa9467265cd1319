/**
 * latency: from the moment a message was due until somebody has received it, at fixed rates whatever
 * the answers do. One node, and two over Redis with the members of each pair on different nodes.
 */
import {
  deployedSubjects,
  measureTraffic,
  PRODUCT,
  type Subject,
  TWO_NODES,
} from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { roomsOf } from '../harness/database.ts';
import { EJABBERD } from '../harness/ejabberd.ts';
import { type BenchResult, findFigures, findRatios } from '../harness/result.ts';

const ONE_NODE_MS = 10;
const TWO_NODES_MS = 15;
const CONTENT_BYTES = 52;

export async function latency(context: BenchContext): Promise<BenchResult> {
  /** The rate of the targets. */
  const at = context.pick({ tiny: 100, quick: 1_000, full: 1_000 });
  const rates = context.pick({
    tiny: [100],
    quick: [at],
    full: [500, at, 4_000],
  });
  const measureMs = context.pick({ tiny: 400, quick: 4_000, full: 8_000 });
  const rooms = roomsOf(context.pick({ tiny: 5, quick: 500, full: 500 }), 2);
  const two: Subject = { name: TWO_NODES, stores: true, nodes: 2, redis: true };
  const subjects: { subject: Subject; most: number }[] = [
    { subject: { name: PRODUCT, stores: true }, most: Number.POSITIVE_INFINITY },
    ...(context.redisUrl === null ? [] : [{ subject: two, most: Number.POSITIVE_INFINITY }]),
    // Beyond that it only falls behind.
    { subject: { name: 'obvious', stores: true }, most: 500 },
    ...deployedSubjects(context).map((subject) => ({ subject, most: at })),
  ];
  const measures = subjects
    .filter(({ subject }) => context.wants(subject.name))
    .flatMap(({ subject, most }) =>
      rates
        .filter((rate) => rate <= most)
        .map((rate) => ({
          name: `${subject.name}, ${rate}/s`,
          measure: async () => {
            const sample = await measureTraffic(context, subject, `${rate}/s`, {
              rooms,
              senders: 'all',
              window: 0,
              ratePerSecond: rate,
              warmUpMs: context.pick({ tiny: 200, quick: 2_000, full: 3_000 }),
              measureMs,
              contentBytes: CONTENT_BYTES,
            });
            sample.metrics.offered_per_s = rate;
            return sample;
          },
        })),
    );
  const samples = await alternate(context, measures);
  return {
    name: 'latency',
    title: 'Send to receive, open loop',
    settings: { people: rooms.length * 2, measure_ms: measureMs, content_bytes: CONTENT_BYTES },
    samples,
    findings: [
      ...findFigures(samples, [
        {
          label: `p99 send→receive at ${at}/s, one node`,
          metric: 'delivery_p99_ms',
          case: `${at}/s`,
          subject: PRODUCT,
          unit: 'ms',
          target: { atMost: ONE_NODE_MS },
        },
        {
          label: `p99 send→receive at ${at}/s, two nodes over Redis`,
          metric: 'delivery_p99_ms',
          case: `${at}/s`,
          subject: two.name,
          unit: 'ms',
          target: { atMost: TWO_NODES_MS },
        },
      ]),
      ...findRatios(samples, [
        {
          label: 'p99 send→receive at 500/s, obvious / product',
          metric: 'delivery_p99_ms',
          case: '500/s',
          over: 'obvious',
          under: PRODUCT,
        },
        {
          label: `p99 send→receive at ${at}/s, ejabberd / product`,
          metric: 'delivery_p99_ms',
          case: `${at}/s`,
          over: EJABBERD,
          under: PRODUCT,
        },
      ]),
    ],
    failures: failuresOf(samples, [PRODUCT, two.name]),
  };
}
