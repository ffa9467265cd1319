/**
 * abuse: people who keep well within the limits, alone and beside somebody who exceeds every one of
 * them, from a process and addresses of his own. None of them may be refused, no message of theirs
 * lost, doubled or reordered, and their latency is to stay what it is.
 *
 * The abuser keeps to a rate, a multiple of each limit: server, PostgreSQL and both clients share the
 * machine's cores, and an abuser without bounds would show only that these can be used up by him.
 * So that the machine's share is told from the server's, the same abuser is also aimed at a second
 * server beside the one that is measured: what he costs there is not the limits' to prevent.
 */
import { availableParallelism } from 'node:os';
import { PRODUCT, type Subject, sampleOf, startSubject } from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { conversationId, faultsInTable, roomsOf, userId } from '../harness/database.ts';
import { type LoadProcess, runLoad, startLoad } from '../harness/load.ts';
import {
  type BenchResult,
  faultTexts,
  findFigures,
  findRatios,
  type Sample,
} from '../harness/result.ts';
import type { Abuse, LoadPlan, LoadResult, Room } from '../load/plan.ts';

const CONNECT_MS = 30_000;
const GRACE_MS = 30_000;
const CONTENT_BYTES = 52;
const ALONE = 'alone';
const BESIDE = 'beside an abuser';
const ELSEWHERE = 'the abuser at another server';
const SATURATED = 0.9;

/** For a second and not ten, at about the rates of the defaults: a short run has many windows in it. */
const LIMITS = { sends: 30, requests: 100, events: 100, connections: 50, failedHandshakes: 10 };
/** Attempts a second; a socket is cut at ten times its limit. */
const ABUSE: Abuse['perSecond'] = {
  send: 200,
  event: 1_500,
  connection: 200,
  handshake: 50,
  request: 400,
};
const ABUSE_PER_SECOND = Object.values(ABUSE).reduce((sum, rate) => sum + rate, 0);

const SUBJECT: Subject = {
  name: PRODUCT,
  stores: true,
  env: {
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '1',
    RATE_LIMIT_SENDS: String(LIMITS.sends),
    RATE_LIMIT_REQUESTS: String(LIMITS.requests),
    RATE_LIMIT_EVENTS: String(LIMITS.events),
    RATE_LIMIT_CONNECTIONS: String(LIMITS.connections),
    RATE_LIMIT_FAILED_HANDSHAKES: String(LIMITS.failedHandshakes),
    TRUSTED_PROXIES: 'loopback',
  },
};

export async function abuse(context: BenchContext): Promise<BenchResult> {
  const rooms = roomsOf(context.pick({ tiny: 5, quick: 250, full: 500 }), 2);
  const rate = context.pick({ tiny: 40, quick: 500, full: 1_000 });
  const samples = await alternate(
    context,
    [ALONE, ELSEWHERE, BESIDE]
      .filter(() => context.wants(PRODUCT))
      .map((name) => ({ name, measure: () => measure(context, name, rooms, rate) })),
  );
  const figure = (of: string, metric: string, label: string) => ({
    label: `${label}, ${of}`,
    metric,
    case: of,
    subject: PRODUCT,
    unit: 'ms',
  });
  const ratio = (metric: string, label: string, underCase: string, atMost?: number) => ({
    label: `${label}, ${BESIDE} / ${underCase}`,
    metric,
    case: BESIDE,
    underCase,
    over: PRODUCT,
    under: PRODUCT,
    ...(atMost === undefined ? {} : { target: { atMost } }),
  });
  return {
    name: 'abuse',
    title: 'Well-behaved people beside an abuser, open loop',
    settings: {
      people: rooms.length * 2,
      messages_per_s: rate,
      abuser_attempts_per_s: ABUSE_PER_SECOND,
      ...Object.fromEntries(Object.entries(LIMITS).map(([of, n]) => [`limit_${of}_per_s`, n])),
    },
    samples,
    findings: [
      ...findRatios(samples, [
        ratio('delivery_p99_ms', 'p99 send→receive', ELSEWHERE, 1.25),
        ratio('delivery_p99_ms', 'p99 send→receive', ALONE, 1.25),
        ratio('delivery_p50_ms', 'p50 send→receive', ELSEWHERE),
        ratio('delivery_p50_ms', 'p50 send→receive', ALONE),
      ]),
      ...findFigures(
        samples,
        [ALONE, ELSEWHERE, BESIDE].flatMap((of) => [
          figure(of, 'delivery_p99_ms', 'p99 send→receive'),
          figure(of, 'delivery_p50_ms', 'p50 send→receive'),
        ]),
      ),
    ],
    failures: failuresOf(samples, [PRODUCT]),
  };
}

async function measure(
  context: BenchContext,
  name: string,
  rooms: readonly Room[],
  rate: number,
): Promise<Omit<Sample, 'round'>> {
  const people = rooms.length * 2;
  const abuser = { conversationId: conversationId(rooms.length), members: [userId(people)] };
  const running = await startSubject(context, SUBJECT, [...rooms, abuser]);
  const other = name === ELSEWHERE ? await startSubject(context, SUBJECT, [abuser]) : null;
  const warmUpMs = context.pick({ tiny: 300, quick: 2_000, full: 3_000 });
  const measureMs = context.pick({ tiny: 1_000, quick: 5_000, full: 8_000 });
  const settleMs = context.pick({ tiny: 10_000, quick: 15_000, full: 30_000 });
  const maxMs = CONNECT_MS + warmUpMs + measureMs + settleMs;
  let load: LoadProcess | null = null;
  try {
    load = name === ALONE ? null : await startLoad(context.tree);
    const abusing = load?.run(
      {
        kind: 'abuse',
        port: (other ?? running).ports[0] ?? 0,
        userId: abuser.members[0] ?? '',
        conversationId: abuser.conversationId,
        perSecond: ABUSE,
        sendSockets: 4,
        maxMs,
        maxAttempts: Math.ceil((ABUSE_PER_SECOND * maxMs) / 1000),
      },
      maxMs + GRACE_MS,
    );
    let abuserLeft = false;
    const left = (): void => {
      abuserLeft = true;
    };
    abusing?.then(left, left);
    const traffic: LoadPlan = {
      kind: 'traffic',
      rooms: [...rooms],
      senders: 'all',
      window: 0,
      ratePerSecond: rate,
      warmUpMs,
      measureMs,
      settleMs,
      contentBytes: CONTENT_BYTES,
      ownAddresses: true,
      ports: running.ports,
      serverPids: running.pids,
      connectConcurrency: 20,
      connectTimeoutMs: CONNECT_MS,
    };
    const result = await runLoad(context.tree, traffic, maxMs + GRACE_MS);
    const sample = sampleOf(PRODUCT, name, result);
    sample.metrics.offered_per_s = rate;
    if (abuserLeft) sample.faults.push('the abuser ended before the others');
    load?.finish();
    const abused = await abusing;
    if (abused !== undefined) addAbuse(sample, abused);
    if (running.sql !== null) {
      const stored = result.totalDone + (other === null ? (abused?.totalDone ?? 0) : 0);
      sample.faults.push(...(await faultsInTable(running.sql, stored)));
    }
    const {
      server_cores = 0,
      postgres_cores = 0,
      load_cores = 0,
      abuser_cores = 0,
    } = sample.metrics;
    const cores = server_cores + postgres_cores + load_cores + abuser_cores;
    if (cores >= SATURATED * availableParallelism()) sample.notes.push('machine at its cores');
    return sample;
  } finally {
    await load?.stop();
    await other?.stop();
    await running.stop();
  }
}

/** How the abuser's attempts ended; of each kind some must have been refused as too many. */
function addAbuse(sample: Omit<Sample, 'round'>, abused: LoadResult): void {
  const outcomes = abused.outcomes ?? {};
  sample.metrics.abuser_cores = abused.used.loadCpuMs / abused.used.durationMs;
  sample.metrics.abuser_attempts = abused.done;
  sample.metrics.abuser_attempts_per_s = abused.done / (abused.used.durationMs / 1000);
  for (const outcome of Object.keys(outcomes).sort()) {
    sample.metrics[`abuser_${outcome.replace(' ', '_')}`] = outcomes[outcome] ?? 0;
  }
  sample.faults.push(...faultTexts(abused));
  for (const kind of Object.keys(ABUSE)) {
    const refused = (outcomes[`${kind} rate_limited`] ?? 0) + (outcomes[`${kind} 429`] ?? 0);
    if (refused === 0) sample.faults.push(`no ${kind} of the abuser was refused as one too many`);
  }
}
