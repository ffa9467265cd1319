/**
 * scale: that cost grows no faster than the work. Three things grow while what is asked for stays
 * the same: the conversations the same people write into, the idle connections beside the active
 * ones, and the conversations of a person who asks for the first page of them.
 */
import {
  measureTraffic,
  PRODUCT,
  type Subject,
  sampleOf,
  startSubject,
} from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { createBenchDatabase, roomsOf } from '../harness/database.ts';
import { fillDeep, listUser } from '../harness/deep-database.ts';
import { get, measureCalls } from '../harness/http-run.ts';
import { type LoadProcess, runLoad, startLoad } from '../harness/load.ts';
import {
  type BenchResult,
  faultTexts,
  findFigures,
  findRatios,
  type Sample,
} from '../harness/result.ts';
import { conversationId, userId } from '../load/ids.ts';
import type { Room } from '../load/plan.ts';
import { cpuMsOf, cpuMsOfAll } from '../load/proc.ts';
import { after } from '../load/traffic.ts';

const CONTENT_BYTES = 52;
const CONNECT_MS = 120_000;
const GRACE_MS = 30_000;
const LIST_PAGE = 10;
const SUBJECT: Subject = { name: PRODUCT, stores: true };

export async function scale(context: BenchContext): Promise<BenchResult> {
  const [few, many] = context.pick({ tiny: [5, 20], quick: [500, 10_000], full: [500, 10_000] });
  const people = few * 2;
  const [calm, crowded] = context.pick({
    tiny: [10, 40],
    quick: [1_000, 10_000],
    full: [1_000, 10_000],
  });
  const rate = context.pick({ tiny: 50, quick: 1_000, full: 1_000 });
  const [short, long] = context.pick({ tiny: [10, 20], quick: [10, 5_000], full: [10, 5_000] });
  const conversations = (count: number): string => `${count} conversations`;
  const idle = (count: number): string => `${count} idle connections`;
  const list = (count: number): string => `first page of ${count}`;
  const samples = !context.wants(PRODUCT)
    ? []
    : [
        ...(await alternate(
          context,
          [few, many].map((count) => ({
            name: conversations(count),
            measure: () =>
              measureTraffic(context, SUBJECT, conversations(count), {
                rooms: roomsAmong(people, count),
                socketPerPerson: true,
                senders: 'all',
                window: 1,
                ratePerSecond: 0,
                warmUpMs: context.pick({ tiny: 200, quick: 2_000, full: 2_000 }),
                measureMs: context.pick({ tiny: 400, quick: 3_000, full: 3_000 }),
                contentBytes: CONTENT_BYTES,
              }),
          })),
        )),
        ...(await alternate(
          context,
          [calm, crowded].map((count) => ({
            name: idle(count),
            measure: () => measureBeside(context, idle(count), count, rate),
          })),
        )),
        ...(await measureLists(context, [short, long], list)),
      ];
  return {
    name: 'scale',
    title: 'Cost against size',
    settings: {
      people,
      content_bytes: CONTENT_BYTES,
      messages_per_s_beside_idle: rate,
      list_page: LIST_PAGE,
    },
    samples,
    findings: [
      ...findRatios(samples, [
        ratio(
          `stored messages/s, ${many} conversations / ${few}, of the same ${people} people`,
          'done_per_s',
          conversations(many),
          conversations(few),
          { atLeast: 0.8 },
        ),
        ratio(
          `server CPU for each delivery, beside ${crowded} idle connections / ${calm}`,
          'server_us_per_delivery',
          idle(crowded),
          idle(calm),
          { atMost: 1.2 },
        ),
        ratio(
          `median time of the first page, ${long} conversations / ${short}`,
          'ack_p50_ms',
          list(long),
          list(short),
          { atMost: 1.2 },
        ),
        ratio(
          `CPU of server and PostgreSQL for it, ${long} conversations / ${short}`,
          'all_us_per_done',
          list(long),
          list(short),
        ),
      ]),
      ...findFigures(
        samples,
        ['server', 'postgres'].map((of) => ({
          label: `CPU of ${of} for each idle joined connection and second`,
          metric: `${of}_us_per_idle_s`,
          case: idle(crowded),
          subject: PRODUCT,
          unit: 'µs',
        })),
      ),
    ],
    failures: failuresOf(samples, [PRODUCT]),
  };
}

function ratio(
  label: string,
  metric: string,
  over: string,
  under: string,
  target?: { atLeast?: number; atMost?: number },
) {
  return {
    label,
    metric,
    case: over,
    underCase: under,
    over: PRODUCT,
    under: PRODUCT,
    ...(target === undefined ? {} : { target }),
  };
}

/** So many conversations of two among so many people, each of whom is in equally many. */
function roomsAmong(people: number, count: number): Room[] {
  return Array.from({ length: count }, (_, n) => {
    const first = (n * 2) % people;
    // Each time round with others: the one beside, the third, the fifth …
    const apart = 1 + 2 * Math.floor((n * 2) / people);
    return {
      conversationId: conversationId(n),
      members: [userId(first), userId((first + apart) % people)],
    };
  });
}

/** Traffic at a fixed rate beside connections that have joined something and say nothing. */
async function measureBeside(
  context: BenchContext,
  name: string,
  count: number,
  rate: number,
): Promise<Omit<Sample, 'round'>> {
  const active = context.pick({
    tiny: { count: 2, members: 5 },
    quick: { count: 100, members: 10 },
    full: { count: 100, members: 10 },
  });
  const activeRooms = roomsOf(active.count, active.members);
  const seats = active.count * active.members;
  const idleRooms = Array.from({ length: count / 2 }, (_, n) => ({
    conversationId: conversationId(active.count + n),
    members: [userId(seats + 2 * n), userId(seats + 2 * n + 1)],
  }));
  const running = await startSubject(context, SUBJECT, [...activeRooms, ...idleRooms]);
  const clients: LoadProcess[] = [];
  const common = {
    ports: running.ports,
    serverPids: running.pids,
    connectConcurrency: 100,
    connectTimeoutMs: CONNECT_MS,
  };
  const faults: string[] = [];
  try {
    // Two processes: each has a limit of descriptors too.
    for (const half of [idleRooms.slice(0, count / 4), idleRooms.slice(count / 4)]) {
      const client = await startLoad(context.tree);
      clients.push(client);
      const joined = await client.run({ kind: 'connections', ...common, rooms: half }, CONNECT_MS);
      faults.push(...faultTexts(joined));
    }
    // Garbage of the connecting is not to be collected in the measured time.
    await running.servers[0]?.memory();
    const idleMs = context.pick({ tiny: 200, quick: 1_500, full: 1_500 });
    const [server, postgres] = [cpuMsOf(running.pids[0] ?? 0), cpuMsOfAll('postgres')];
    await after(idleMs);
    const perIdle = (ms: number): number => (ms * 1000) / (idleMs / 1000) / count;
    const metrics = {
      server_us_per_idle_s: perIdle(cpuMsOf(running.pids[0] ?? 0) - server),
      postgres_us_per_idle_s: perIdle(cpuMsOfAll('postgres') - postgres),
    };
    const warmUpMs = context.pick({ tiny: 200, quick: 2_000, full: 2_000 });
    const measureMs = context.pick({ tiny: 400, quick: 3_000, full: 3_000 });
    const settleMs = context.pick({ tiny: 10_000, quick: 15_000, full: 20_000 });
    const result = await runLoad(
      context.tree,
      {
        kind: 'traffic',
        ...common,
        rooms: activeRooms,
        senders: 'first',
        window: 0,
        ratePerSecond: rate,
        warmUpMs,
        measureMs,
        settleMs,
        contentBytes: CONTENT_BYTES,
      },
      CONNECT_MS + warmUpMs + measureMs + settleMs + GRACE_MS,
    );
    const sample = sampleOf(PRODUCT, name, result, [...faults, ...faultTexts(result)]);
    Object.assign(sample.metrics, metrics);
    sample.faults.push(...(await running.faultsInStore(result.totalDone)));
    return sample;
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
    await running.stop();
  }
}

/** One request at a time, so that its time is what it takes and not what it waits. */
async function measureLists(
  context: BenchContext,
  sizes: readonly number[],
  nameOf: (size: number) => string,
): Promise<Sample[]> {
  const database = await createBenchDatabase(context.serverUrl, context.tree, false);
  const samples: Sample[] = [];
  context.expect(context.rounds);
  try {
    await fillDeep(database.sql, 100, sizes);
    for (let round = 0; round < context.rounds; round += 1) {
      context.step(`round ${round + 1}/${context.rounds}: lists`);
      const calls = sizes.map((size) => ({
        name: nameOf(size),
        connections: 1,
        requests: [
          get(`/messages/conversations/${listUser(size)}?limit=${LIST_PAGE}`, listUser(size)),
        ],
        expect: { status: 200, text: '"unread_count":', times: LIST_PAGE },
      }));
      const ordered = round % 2 === 0 ? calls : calls.toReversed();
      for (const sample of await measureCalls(context, PRODUCT, database.url, ordered)) {
        const { server_cores = 0, postgres_cores = 0, done_per_s = 1 } = sample.metrics;
        sample.metrics.all_us_per_done = ((server_cores + postgres_cores) * 1e6) / done_per_s;
        samples.push({ ...sample, round });
      }
    }
  } finally {
    await database.drop();
  }
  return samples;
}
