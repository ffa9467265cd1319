/**
 * connections: a storm of connects, CONNECTs and joins, then silence. CPU of the server for each, and
 * its resident memory for each idle joined connection: the slope between the first share of the
 * connections and all of them, so that what a process needs anyway is left out. Several client
 * processes, since each has a limit of descriptors as well.
 */
import { join } from 'node:path';
import { deployedSubjects, PRODUCT, type Subject, startSubject } from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { roomsOf } from '../harness/database.ts';
import { EJABBERD } from '../harness/ejabberd.ts';
import { type LoadProcess, startLoad } from '../harness/load.ts';
import {
  type BenchResult,
  faultTexts,
  findFigures,
  findRatios,
  type Sample,
} from '../harness/result.ts';

const KB = 1024;
const CONNECT_MS = 180_000;
const MEMBERS = 2;
const THIRD = 0.333;

const SUBJECTS: Subject[] = [
  { name: PRODUCT, stores: true },
  { name: 'realtime-layer', stores: false },
  { name: 'socketio-ws', stores: false },
  { name: 'socketio-uws', stores: false },
  { name: 'obvious', stores: true },
];

export async function connections(context: BenchContext): Promise<BenchResult> {
  const total = context.pick({ tiny: 40, quick: 4_000, full: 18_000 });
  const processes = context.pick({ tiny: 2, quick: 2, full: 6 });
  const subjects = [...SUBJECTS, ...deployedSubjects(context)];
  const samples = await alternate(
    context,
    subjects
      .filter(({ name }) => context.wants(name))
      .map((subject) => ({
        name: subject.name,
        measure: () => measure(context, subject, total, processes),
      })),
  );
  return {
    name: 'connections',
    title: 'Idle joined connections',
    settings: { connections: total, client_processes: processes, members_of_a_room: MEMBERS },
    samples,
    findings: [
      ...findFigures(samples, [
        {
          label: 'resident memory for each idle joined connection',
          metric: 'kb_per_connection',
          case: 'all',
          subject: PRODUCT,
          unit: 'KB',
          target: { atMost: 2.5 },
        },
      ]),
      ...findRatios(samples, [
        {
          label: 'server CPU for connect + CONNECT + join, product / socketio-ws',
          metric: 'server_us_per_done',
          case: 'all',
          over: PRODUCT,
          under: 'socketio-ws',
          target: { atMost: THIRD },
        },
        // With the member checked in PostgreSQL on both sides, and on neither.
        {
          label: 'server CPU for connect + CONNECT + join, product / obvious',
          metric: 'server_us_per_done',
          case: 'all',
          over: PRODUCT,
          under: 'obvious',
        },
        {
          label: 'server CPU for connect + CONNECT + join, realtime-layer / socketio-ws',
          metric: 'server_us_per_done',
          case: 'all',
          over: 'realtime-layer',
          under: 'socketio-ws',
          target: { atMost: THIRD },
        },
        // Which asks PostgreSQL for the password instead, and has no conversation to join.
        {
          label: 'server CPU for connect + CONNECT + join, product / sign-in at ejabberd',
          metric: 'server_us_per_done',
          case: 'all',
          over: PRODUCT,
          under: EJABBERD,
        },
        ...['socketio-ws', 'socketio-uws', 'obvious', EJABBERD].map((under) => ({
          label: `memory for each connection, product / ${under}`,
          metric: 'kb_per_connection',
          case: 'all',
          over: PRODUCT,
          under,
        })),
      ]),
    ],
    failures: failuresOf(samples, [PRODUCT, 'realtime-layer']),
  };
}

async function measure(
  context: BenchContext,
  subject: Subject,
  total: number,
  processes: number,
): Promise<Omit<Sample, 'round'>> {
  const rooms = roomsOf(total / MEMBERS, MEMBERS);
  const running = await startSubject(context, subject, rooms);
  const clients: LoadProcess[] = [];
  const share = rooms.length / processes;
  const memory: { connections: number; kb: number; heapKb: number }[] = [];
  const [server] = running.servers;
  const faults: string[] = [];
  const used = { ms: 0, cpuMs: 0 };
  const notes: string[] = [];
  const profile =
    context.profileDir === null
      ? null
      : join(context.profileDir, `${subject.name}-connections.cpuprofile`);
  try {
    for (let i = 0; i < processes; i += 1) {
      const own = rooms.slice(Math.round(i * share), Math.round((i + 1) * share));
      const client = await startLoad(context.tree);
      clients.push(client);
      // The first share finds code that is not compiled yet.
      if (i === 1 && profile !== null) await server?.startProfile();
      const result = await client.run(
        {
          kind: 'connections',
          wire: running.wire,
          rooms: own,
          ports: running.ports,
          serverPids: running.pids,
          connectConcurrency: 100,
          connectTimeoutMs: CONNECT_MS,
        },
        CONNECT_MS,
      );
      faults.push(...faultTexts(result));
      if (i === processes - 1 && profile !== null) await server?.stopProfile(profile);
      if (i > 0) {
        used.ms += result.used.durationMs;
        used.cpuMs += result.used.serverCpuMs;
        if (result.used.loadCpuMs > result.used.serverCpuMs) {
          notes.push('load generator as dear as the server');
        }
      }
      const { rss, heapUsed, external } = (await server?.memory()) ?? {
        rss: 0,
        heapUsed: 0,
        external: 0,
      };
      const done = memory.at(-1)?.connections ?? 0;
      memory.push({
        connections: done + result.done,
        kb: rss / KB,
        heapKb: (heapUsed + external) / KB,
      });
    }
    const [first, last] = [memory[0], memory.at(-1)];
    const more = (last?.connections ?? 0) - (first?.connections ?? 0);
    const metrics: Record<string, number> = {
      kb_per_connection: ((last?.kb ?? 0) - (first?.kb ?? 0)) / more,
      heap_kb_per_connection: ((last?.heapKb ?? 0) - (first?.heapKb ?? 0)) / more,
      server_us_per_done: (used.cpuMs * 1000) / more,
      connections_per_s: more / (used.ms / 1000),
    };
    for (const { connections, kb } of memory) metrics[`rss_mb_at_${connections}`] = kb / KB;
    return { subject: subject.name, case: 'all', metrics, notes, faults };
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
    await running.stop();
  }
}
