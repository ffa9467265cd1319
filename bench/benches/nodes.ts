/**
 * nodes: two nodes on one Redis and one PostgreSQL.
 *
 * Stored messages/s in closed loop, each node with half of the pairs (both people of a pair at the
 * same node), beside one node with all of them. Both nodes run in both cases; in the second one is
 * idle, and its CPU shows what a message of a conversation costs a node where nobody has joined it.
 *
 * Then a foreign message: sent at one node and heard by one socket at the other, which does nothing
 * else. Its CPU for each of them holds all of it: reading from Redis, the order, the frame to the
 * socket, and what a node with that many joined conversations does anyway. In closed loop many arrive
 * with one read; at a low rate every one of them wakes the node, and that is most of what it costs.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PRODUCT, type Subject, sampleOf, startSubject } from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { faultsInTable, roomsOf } from '../harness/database.ts';
import { runLoad } from '../harness/load.ts';
import { type BenchResult, findFigures, findRatios, type Sample } from '../harness/result.ts';
import type { Traffic } from '../load/plan.ts';
import { cpuMsOf } from '../load/proc.ts';
import { after } from '../load/traffic.ts';

const ONE = 'all at one node';
const TWO = 'half at each node';
/** The two ways to send: the sending node sets the pace, or the rate leaves all nodes time to spare. */
const BUSY = 'foreign messages, closed loop';
const CALM = 'foreign messages, open loop';
/** Unanswered messages of each sender at the other node. */
const WINDOW = 2;
const CONTENT_BYTES = 52;
const CONNECT_MS = 60_000;
const GRACE_MS = 30_000;
const SATURATED = 0.9;

export async function nodes(context: BenchContext): Promise<BenchResult> {
  const pairs = context.pick({ tiny: 6, quick: 500, full: 500 });
  const rate = context.pick({ tiny: 100, quick: 2_000, full: 2_000 });
  const both: Subject = { name: PRODUCT, stores: true, nodes: 2, redis: true };
  const rooms = roomsOf(pairs, 2);
  const closed = { rooms, senders: 'all', window: 1, ratePerSecond: 0 } as const;
  const measures = [
    {
      name: TWO,
      measure: () => measure(context, both, TWO, { ...closed, roomsTogether: true }),
    },
    { name: ONE, measure: () => measure(context, both, ONE, closed) },
    // Dealt out socket by socket: the first of each pair sends at one node, the second hears at the
    // other.
    {
      name: BUSY,
      measure: () =>
        measure(context, both, BUSY, {
          rooms,
          senders: 'first',
          window: WINDOW,
          ratePerSecond: 0,
        }),
    },
    {
      name: CALM,
      measure: () =>
        measure(context, both, CALM, {
          rooms,
          senders: 'first',
          window: 0,
          ratePerSecond: rate,
        }),
    },
  ];
  const samples =
    context.redisUrl === null || !context.wants(PRODUCT) ? [] : await alternate(context, measures);
  const figure = (of: string, metric: string, label: string, atMost?: number) => ({
    label,
    metric,
    case: of,
    subject: PRODUCT,
    unit: 'µs',
    ...(atMost === undefined ? {} : { target: { atMost } }),
  });
  return {
    name: 'nodes',
    title: 'Two nodes on one Redis and one PostgreSQL',
    settings: {
      people: pairs * 2,
      conversations: pairs,
      foreign_messages_per_s_in_open_loop: rate,
      content_bytes: CONTENT_BYTES,
    },
    samples,
    findings: [
      ...findRatios(samples, [
        {
          label: 'stored messages/s, two nodes with half the load each / one with all of it',
          metric: 'done_per_s',
          case: TWO,
          over: PRODUCT,
          under: PRODUCT,
          underCase: ONE,
          target: { atLeast: 0.9 },
        },
      ]),
      ...findFigures(samples, [
        figure(BUSY, 'foreign_us', 'CPU for a foreign message with one socket to hear it', 15),
        figure(CALM, 'foreign_us', `the same at ${rate} messages/s`, 15),
        figure(CALM, 'foreign_us_over_idle', 'of it more than with nobody connected'),
        figure(ONE, 'foreign_us_over_idle', 'CPU for a message of a conversation nobody joined'),
      ]),
    ],
    failures: failuresOf(samples, [PRODUCT]),
  };
}

type Shape = Pick<Traffic, 'rooms' | 'senders' | 'window' | 'ratePerSecond' | 'roomsTogether'>;

async function measure(
  context: BenchContext,
  subject: Subject,
  name: string,
  shape: Shape,
): Promise<Omit<Sample, 'round'>> {
  const running = await startSubject(context, subject, shape.rooms);
  const { ports, pids, sql } = running;
  // Two nodes have half as many messages each in which to become warm.
  const warmUpMs = context.pick({ tiny: 200, quick: 2_500, full: 2_500 });
  const measureMs = context.pick({ tiny: 400, quick: 3_000, full: 3_000 });
  const settleMs = context.pick({ tiny: 10_000, quick: 15_000, full: 20_000 });
  try {
    if (sql === null) throw new Error('The product stores messages');
    const position = async (): Promise<string> => {
      const [row] = await sql<{ lsn: string }[]>`SELECT pg_current_wal_lsn()::text AS lsn`;
      return row?.lsn ?? '';
    };
    const before = await position();
    // Of the node that only hears.
    const profiled = name === CALM || name === BUSY ? running.servers[1] : undefined;
    if (context.profileDir !== null) await profiled?.startProfile();
    const result = await runLoad(
      context.tree,
      {
        kind: 'traffic',
        ...shape,
        ports: name === ONE ? ports.slice(0, 1) : ports,
        serverPids: pids,
        warmUpMs,
        measureMs,
        settleMs,
        contentBytes: CONTENT_BYTES,
        connectConcurrency: 50,
        connectTimeoutMs: CONNECT_MS,
      },
      CONNECT_MS + warmUpMs + measureMs + settleMs + GRACE_MS,
    );
    if (context.profileDir !== null) {
      const file = `nodes-${name.replaceAll(/[^a-z]+/g, '-')}.cpuprofile`;
      await profiled?.stopProfile(join(context.profileDir, file));
    }
    const sample = sampleOf(PRODUCT, name, result);
    const { used, done } = result;
    const [row] = await sql<{ wal: number; stored: number }[]>`
      SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), ${before}::pg_lsn)::float8 AS wal,
        pg_total_relation_size('messaging.messages')::float8 AS stored`;
    Object.assign(sample.metrics, {
      postgres_us_per_done: (used.postgresCpuMs * 1000) / Math.max(1, done),
      redis_us_per_done: (used.redisCpuMs * 1000) / Math.max(1, done),
      wal_bytes_per_message: (row?.wal ?? 0) / Math.max(1, result.totalDone),
      table_bytes_per_message: (row?.stored ?? 0) / Math.max(1, result.totalDone),
    });
    // Where the other node is idle, or does nothing but hear.
    if (name !== TWO) {
      // What the other node uses with nobody connected and no message anywhere.
      const idleMs = context.pick({ tiny: 200, quick: 1_000, full: 1_000 });
      const idleBefore = cpuMsOf(pids[1] ?? 0);
      await after(idleMs);
      const idle = (cpuMsOf(pids[1] ?? 0) - idleBefore) / idleMs;
      const foreignMs = used.eachServerCpuMs[1] ?? 0;
      const us = (ms: number): number => (ms * 1000) / Math.max(1, done);
      sample.metrics.foreign_us = us(foreignMs);
      sample.metrics.foreign_us_over_idle = us(foreignMs - idle * used.durationMs);
    }
    const {
      server_cores = 0,
      postgres_cores = 0,
      redis_cores = 0,
      load_cores = 0,
    } = sample.metrics;
    const cores = server_cores + postgres_cores + redis_cores + load_cores;
    if (cores >= SATURATED * availableParallelism()) {
      sample.notes.push(
        'machine at its cores: nodes, PostgreSQL, Redis and load generator share them',
      );
    }
    sample.faults.push(...(await faultsInTable(sql, result.totalDone)));
    return sample;
  } finally {
    await running.stop();
  }
}
