/**
 * storm: all listeners dropped at one moment while others go on sending; a second later all come back
 * at once and ask for what they missed. Time until the last has heard everything, without a hole.
 */
import { PRODUCT, type Subject, sampleOf, startSubject } from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { roomsOf } from '../harness/database.ts';
import { runLoad } from '../harness/load.ts';
import { type BenchResult, findFigures, findRatios, type Sample } from '../harness/result.ts';

const CONNECT_MS = 120_000;
const TIMEOUT_MS = 240_000;
const MEMBERS = 10;

export async function storm(context: BenchContext): Promise<BenchResult> {
  const sockets = context.pick({ tiny: 40, quick: 2_000, full: 5_000 });
  const rate = context.pick({ tiny: 100, quick: 200, full: 200 });
  const subjects: Subject[] = [
    { name: PRODUCT, stores: true },
    { name: 'obvious', stores: true },
  ];
  const samples = await alternate(
    context,
    subjects
      .filter(({ name }) => context.wants(name))
      .map((subject) => ({
        name: subject.name,
        measure: () => measure(context, subject, sockets, rate),
      })),
  );
  const one = `${sockets} sockets`;
  return {
    name: 'storm',
    title: 'All back at once',
    settings: { sockets, members_of_a_room: MEMBERS, messages_per_s: rate },
    samples,
    findings: [
      ...findFigures(samples, [
        {
          label: `time until all of ${one} have resumed`,
          metric: 'resumed_ms',
          case: one,
          subject: PRODUCT,
          unit: 'ms',
        },
      ]),
      ...findRatios(samples, [
        {
          label: 'time until all have resumed, product / obvious',
          metric: 'resumed_ms',
          case: one,
          over: PRODUCT,
          under: 'obvious',
        },
      ]),
    ],
    failures: failuresOf(samples, [PRODUCT]),
  };
}

async function measure(
  context: BenchContext,
  subject: Subject,
  sockets: number,
  rate: number,
): Promise<Omit<Sample, 'round'>> {
  const rooms = roomsOf(sockets / MEMBERS, MEMBERS);
  const running = await startSubject(context, subject, rooms);
  try {
    const result = await runLoad(
      context.tree,
      {
        kind: 'storm',
        rooms,
        ports: running.ports,
        serverPids: running.pids,
        connectConcurrency: 50,
        connectTimeoutMs: CONNECT_MS,
        ratePerSecond: rate,
        awayMs: context.pick({ tiny: 200, quick: 1_000, full: 1_000 }),
        settleMs: 30_000,
      },
      TIMEOUT_MS,
    );
    const sample = sampleOf(subject.name, `${sockets} sockets`, result);
    sample.faults.push(...(await running.faultsInStore(result.totalDone)));
    const { durationMs, serverCpuMs } = result.used;
    sample.metrics = {
      resumed_ms: durationMs,
      server_us_per_done: (serverCpuMs * 1000) / result.done,
      join_p50_ms: sample.metrics.ack_p50_ms ?? 0,
      join_p99_ms: sample.metrics.ack_p99_ms ?? 0,
    };
    return sample;
  } finally {
    await running.stop();
  }
}
