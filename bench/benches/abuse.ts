/**
 * abuse: people who keep well within the limits, alone and beside one abuser after another, each from
 * a process and addresses of its own. None of them may be refused, no message of theirs lost, doubled
 * or reordered, and their latency is to stay what it is.
 *
 * So that the machine's share is told from the server's, every abuser is also aimed at a second server
 * beside the one that is measured: what it costs there is not the limits' to prevent.
 */
import { availableParallelism } from 'node:os';
import {
  PRODUCT,
  type Running,
  type Subject,
  sampleOf,
  startSubject,
} from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { type BenchDatabase, roomsOf } from '../harness/database.ts';
import { type LoadProcess, runLoad, startLoad } from '../harness/load.ts';
import {
  type BenchResult,
  faultTexts,
  findFigures,
  findRatios,
  type Sample,
} from '../harness/result.ts';
import { type Abuser, abusedId, abuserId } from '../load/abusers/abuser.ts';
import { ABUSER_NAMES, ABUSERS, type AbuserName } from '../load/abusers/all.ts';
import type { Abuse, LoadResult, Room, Traffic } from '../load/plan.ts';

const CONNECT_MS = 30_000;
const GRACE_MS = 30_000;
const CONTENT_BYTES = 52;
const ALONE = 'alone';
const SATURATED = 0.9;
/** Most that the others' p99 with the abuser may be, as a multiple of that without, where the server decides it. */
const AT_MOST = 1.5;

const beside = (name: AbuserName): string => `beside ${name}`;
const elsewhere = (name: AbuserName): string => `${name} at another server`;

/** Limits at about the default rates, in windows of a second and not of ten: a short run has many of them. */
const LIMITS = {
  sends: 30,
  requests: 100,
  fan_out: 256,
  events: 100,
  connections: 50,
  failed_handshakes: 10,
};
const TOKEN_SECRET = 'the secret of the servers that are measured';

const SUBJECT: Subject = {
  name: PRODUCT,
  stores: true,
  env: {
    AUTH_MODE: 'jwt',
    JWT_SECRET: TOKEN_SECRET,
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '1',
    ...Object.fromEntries(
      Object.entries(LIMITS).map(([of, most]) => [`RATE_LIMIT_${of.toUpperCase()}`, String(most)]),
    ),
    TRUSTED_PROXIES: 'loopback',
  },
};

/** One run: the people with, or without, an abuser. */
interface Case {
  name: string;
  abuser: AbuserName | null;
  /** The abuser is at another server. */
  elsewhere: boolean;
}

export async function abuse(context: BenchContext): Promise<BenchResult> {
  const rooms = roomsOf(context.pick({ tiny: 5, quick: 250, full: 500 }), 2);
  const rate = context.pick({ tiny: 40, quick: 500, full: 1_000 });
  // What is the same for all is checked with one.
  const twice = context.pick({
    tiny: ABUSER_NAMES.slice(0, 1),
    quick: ABUSER_NAMES,
    full: ABUSER_NAMES,
  });
  const cases: Case[] = [
    { name: ALONE, abuser: null, elsewhere: false },
    ...ABUSER_NAMES.flatMap((abuser) => [
      ...(twice.includes(abuser) ? [{ name: elsewhere(abuser), abuser, elsewhere: true }] : []),
      { name: beside(abuser), abuser, elsewhere: false },
    ]),
  ];
  const samples = await alternate(
    context,
    cases
      .filter(() => context.wants(PRODUCT))
      .map((of) => ({ name: of.name, measure: () => measure(context, of, rooms, rate) })),
  );
  return {
    name: 'abuse',
    title: 'Well-behaved people beside abusers, open loop',
    settings: {
      people: rooms.length * 2,
      messages_per_s: rate,
      ...Object.fromEntries(Object.entries(LIMITS).map(([of, n]) => [`limit_${of}_per_s`, n])),
      ...Object.fromEntries(
        ABUSER_NAMES.map((name) => [`attempts_per_s, ${name}`, attemptsPerSecond(ABUSERS[name])]),
      ),
    },
    samples,
    findings: findingsOf(samples),
    failures: failuresOf(samples, [PRODUCT]),
  };
}

function findingsOf(samples: readonly Sample[]): BenchResult['findings'] {
  const metric = 'delivery_p99_ms';
  const label = 'p99 send→receive';
  const ratio = (abuser: AbuserName, underCase: string) => ({
    label: `${label}, ${beside(abuser)} / ${underCase}`,
    metric,
    case: beside(abuser),
    underCase,
    over: PRODUCT,
    under: PRODUCT,
    target: { atMost: AT_MOST },
  });
  const figure = (of: string) => ({
    label: `${label}, ${of}`,
    metric,
    case: of,
    subject: PRODUCT,
    unit: 'ms',
  });
  return [
    ...findRatios(
      samples,
      ABUSER_NAMES.map((name) => ratio(name, elsewhere(name))),
    ),
    ...findRatios(
      samples,
      ABUSER_NAMES.map((name) => ratio(name, ALONE)),
    ),
    ...findFigures(
      samples,
      [ALONE, ...ABUSER_NAMES.flatMap((name) => [elsewhere(name), beside(name)])].map(figure),
    ),
  ];
}

async function measure(
  context: BenchContext,
  of: Case,
  rooms: readonly Room[],
  rate: number,
): Promise<Omit<Sample, 'round'>> {
  const own = { conversationId: abusedId(), members: [abuserId()] };
  const abuser: Abuser | null = of.abuser === null ? null : ABUSERS[of.abuser];
  const scale = context.pick({ tiny: 0.004, quick: 0.2, full: 1 });
  let filled = 0;
  const fill = async (sql: BenchDatabase['sql']): Promise<void> => {
    filled = (await abuser?.fill?.(sql, scale)) ?? 0;
  };
  const other = of.elsewhere ? await startSubject(context, SUBJECT, [own], fill) : null;
  let running: Running | null = null;
  let load: LoadProcess | null = null;
  try {
    running = await (other === null
      ? startSubject(context, SUBJECT, [...rooms, own], fill)
      : startSubject(context, SUBJECT, rooms));
    const traffic = trafficOf(context, running, rooms, rate);
    const maxMs = CONNECT_MS + traffic.warmUpMs + traffic.measureMs + traffic.settleMs;
    load = of.abuser === null ? null : await startLoad(context.tree);
    const abusing =
      of.abuser === null
        ? undefined
        : load?.run(abuseOf(of.abuser, other ?? running, maxMs), maxMs + GRACE_MS);
    let abuserLeft = false;
    const left = (): void => {
      abuserLeft = true;
    };
    abusing?.then(left, left);
    const result = await runLoad(context.tree, traffic, maxMs + GRACE_MS);
    const sample = sampleOf(PRODUCT, of.name, result);
    sample.metrics.offered_per_s = rate;
    if (abuserLeft) sample.faults.push('the abuser ended before the others');
    load?.finish();
    const abused = await abusing;
    if (abused !== undefined && abuser !== null) {
      // In a second not everything that an abuser does can show.
      const leastShown = context.pick({ tiny: 1, quick: Infinity, full: Infinity });
      addAbuse(sample, abuser, abused, leastShown);
    }
    const stored = other === null ? (abused?.totalDone ?? 0) + filled : 0;
    const inDoubt = other === null ? (abused?.outcomes?.['send unavailable'] ?? 0) : 0;
    sample.faults.push(...(await running.faultsInStore(result.totalDone + stored, inDoubt)));
    if (coresOf(sample) >= SATURATED * availableParallelism()) {
      sample.notes.push('machine at its cores');
    }
    return sample;
  } finally {
    await load?.stop();
    await other?.stop();
    await running?.stop();
  }
}

function trafficOf(
  context: BenchContext,
  { ports, pids }: Running,
  rooms: readonly Room[],
  ratePerSecond: number,
): Traffic {
  return {
    kind: 'traffic',
    rooms: [...rooms],
    senders: 'all',
    window: 0,
    ratePerSecond,
    warmUpMs: context.pick({ tiny: 300, quick: 2_000, full: 3_000 }),
    measureMs: context.pick({ tiny: 2_000, quick: 5_000, full: 8_000 }),
    settleMs: context.pick({ tiny: 10_000, quick: 15_000, full: 30_000 }),
    contentBytes: CONTENT_BYTES,
    ownAddresses: true,
    tokenSecret: TOKEN_SECRET,
    ports,
    serverPids: pids,
    connectConcurrency: 20,
    connectTimeoutMs: CONNECT_MS,
  };
}

function abuseOf(name: AbuserName, { ports, databaseUrl }: Running, maxMs: number): Abuse {
  return {
    kind: 'abuse',
    abuser: name,
    port: ports[0] ?? 0,
    databaseUrl: databaseUrl ?? '',
    tokenSecret: TOKEN_SECRET,
    maxMs,
    maxAttempts: Math.ceil((attemptsPerSecond(ABUSERS[name]) * maxMs) / 1000),
  };
}

const attemptsPerSecond = ({ perSecond }: Abuser): number =>
  Object.values(perSecond).reduce((sum, rate) => sum + rate, 0);

function coresOf({ metrics }: Pick<Sample, 'metrics'>): number {
  const { server_cores = 0, postgres_cores = 0, load_cores = 0, abuser_cores = 0 } = metrics;
  return server_cores + postgres_cores + load_cores + abuser_cores;
}

/** How the abuser's attempts ended; of the outcomes that show what it is, so many must have come. */
function addAbuse(
  sample: Omit<Sample, 'round'>,
  { mustCome }: Abuser,
  { used, done, outcomes = {}, ...abused }: LoadResult,
  leastShown: number,
): void {
  sample.metrics.abuser_cores = used.loadCpuMs / used.durationMs;
  sample.metrics.abuser_attempts = done;
  sample.metrics.abuser_attempts_per_s = done / (used.durationMs / 1000);
  for (const outcome of Object.keys(outcomes).sort()) {
    sample.metrics[`abuser_${outcome.replace(' ', '_')}`] = outcomes[outcome] ?? 0;
  }
  sample.faults.push(...faultTexts(abused));
  const missing = mustCome.filter((outcome) => outcomes[outcome] === undefined);
  if (mustCome.length - missing.length >= Math.min(leastShown, mustCome.length)) return;
  for (const outcome of missing) {
    sample.faults.push(`none of the abuser's attempts ended as ${outcome}`);
  }
}
