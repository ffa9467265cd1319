/**
 * durable: stored chat. 1000 people in 500 pairs, everybody sends and hears. Closed loop: each has
 * one message unanswered (or sixteen: less waiting, fuller batches), so the server sets the pace. Open
 * loop: fixed rates, latency from the moment a message was due.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  deployedSubjects,
  measureTraffic,
  PRODUCT,
  type Subject,
  type TrafficShape,
} from '../harness/chat-run.ts';
import { interrupted } from '../harness/child.ts';
import { alternate, type BenchContext, failuresOf, type Measure } from '../harness/context.ts';
import { createBenchDatabase, faultsInTable, insertRooms, roomsOf } from '../harness/database.ts';
import { EJABBERD } from '../harness/ejabberd.ts';
import { type BenchResult, findRatios, type Sample } from '../harness/result.ts';
import { startMeter } from '../load/meter.ts';

const run = promisify(execFile);
const CLOSED = 'closed loop';
const WINDOW = 16;
const BUSY = `closed loop, ${WINDOW} unanswered each`;
const BATCHED = 'batched-inserts';
const BATCH = 500;
const CONTENT_BYTES = 52;

export async function durable(context: BenchContext): Promise<BenchResult> {
  const pairs = context.pick({ tiny: 5, quick: 500, full: 500 });
  const rooms = roomsOf(pairs, 2);
  const measureMs = context.pick({ tiny: 300, quick: 3_000, full: 5_000 });
  const rates = context.pick({
    tiny: [200],
    quick: [],
    full: [1_000, 4_000, 8_000, 12_000],
  });
  const shape: TrafficShape = {
    rooms,
    senders: 'all',
    window: 1,
    ratePerSecond: 0,
    warmUpMs: context.pick({ tiny: 100, quick: 1_500, full: 3_000 }),
    measureMs,
    contentBytes: CONTENT_BYTES,
  };
  const subjects: Subject[] = [
    { name: PRODUCT, stores: true },
    { name: 'obvious', stores: true },
    ...deployedSubjects(context),
  ];
  const measures: { name: string; measure: Measure }[] = [];
  for (const subject of subjects.filter(({ name }) => context.wants(name))) {
    measures.push({
      name: `${subject.name}, ${CLOSED}`,
      measure: () => measureTraffic(context, subject, CLOSED, shape),
    });
    for (const rate of rates) {
      const name = `open loop ${rate}/s`;
      // The others fall behind without end beyond their own pace: nothing to learn there.
      if (subject.name !== PRODUCT && rate > 1_000) continue;
      measures.push({
        name: `${subject.name}, ${name}`,
        measure: async () => {
          const open = { ...shape, window: 0, ratePerSecond: rate };
          const sample = await measureTraffic(context, subject, name, open);
          sample.metrics.offered_per_s = rate;
          return sample;
        },
      });
    }
  }
  if (context.wants(PRODUCT)) {
    measures.push({
      name: `${PRODUCT}, ${BUSY}`,
      measure: () => {
        const product = { name: PRODUCT, stores: true };
        return measureTraffic(context, product, BUSY, { ...shape, window: WINDOW });
      },
    });
  }
  if (context.wants(BATCHED)) {
    measures.push({ name: BATCHED, measure: () => measureInserts(context, shape) });
  }
  const samples = await alternate(context, measures);
  return {
    name: 'durable',
    title: 'Stored messages',
    settings: {
      people: pairs * 2,
      conversations: pairs,
      measure_ms: measureMs,
      content_bytes: CONTENT_BYTES,
    },
    samples,
    findings: findRatios(samples, [
      {
        label: 'stored messages/s, product / obvious implementation',
        metric: 'done_per_s',
        case: CLOSED,
        over: PRODUCT,
        under: 'obvious',
        target: { atLeast: 15 },
      },
      {
        label: 'stored messages/s, product / ejabberd with its archive in PostgreSQL',
        metric: 'done_per_s',
        case: CLOSED,
        over: PRODUCT,
        under: EJABBERD,
      },
      {
        label: 'stored messages/s, product / bare batched inserts',
        metric: 'done_per_s',
        case: CLOSED,
        over: PRODUCT,
        under: BATCHED,
        target: { atLeast: 0.6 },
      },
      {
        label: `stored messages/s with ${WINDOW} unanswered each, product / bare batched inserts`,
        metric: 'done_per_s',
        case: BUSY,
        over: PRODUCT,
        under: BATCHED,
        underCase: CLOSED,
        target: { atLeast: 0.6 },
      },
    ]),
    failures: failuresOf(samples, [PRODUCT]),
  };
}

async function measureInserts(
  context: BenchContext,
  { warmUpMs, measureMs }: Pick<TrafficShape, 'warmUpMs' | 'measureMs'>,
): Promise<Omit<Sample, 'round'>> {
  const rooms = roomsOf(context.pick({ tiny: 10, quick: 500, full: 500 }), 2);
  const database = await createBenchDatabase(context.serverUrl, context.tree, true);
  try {
    await insertRooms(database.sql, rooms);
    const pairs = rooms.flatMap((r) => r.members.map((member) => [r.conversationId, member]));
    const stopMeter = startMeter([]);
    const { stdout } = await run(
      process.execPath,
      [
        context.tree.script(`baselines/${BATCHED}.js`),
        String(measureMs / 1000),
        String(warmUpMs / 1000),
        String(BATCH),
        JSON.stringify(pairs),
      ],
      { env: { ...process.env, DATABASE_URL: database.url }, signal: interrupted },
    );
    const used = stopMeter();
    const answer = Object(JSON.parse(stdout));
    return {
      subject: BATCHED,
      case: CLOSED,
      metrics: {
        done_per_s: Number(answer.written) / (Number(answer.elapsedMs) / 1000),
        server_cores: Number(answer.cpuMs) / Number(answer.elapsedMs),
        // With its start and warming up.
        postgres_cores: used.postgresCpuMs / used.durationMs,
      },
      notes: [],
      faults: await faultsInTable(database.sql, Number(answer.stored)),
    };
  } finally {
    await database.drop();
  }
}
