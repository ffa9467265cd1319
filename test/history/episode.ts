/**
 * One run of one fault: people begin to talk, the fault comes and goes, they talk on, fall silent,
 * and what they saw is held against what is stored.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from './checker.ts';
import type { Cluster } from './cluster.ts';
import type { Fault, Landed } from './fault.ts';
import { restored } from './faults.ts';
import type { History, Table, Violation } from './history.ts';
import { type Measures, measure } from './measures.ts';
import { messageColumns } from './message-columns.ts';
import { createRandom } from './random.ts';
import { startWorkload, type WorkloadSize } from './workload.ts';

export interface EpisodeOptions {
  cluster: Cluster;
  fault: Fault;
  seed: number;
  /** Over the fault's own. */
  holdMs?: number | undefined;
  /** How long people talk on after the fault. */
  tailMs: number;
  size?: Partial<WorkloadSize>;
  /** How long everybody may take to catch up at the very end. */
  settleMs?: number;
  /** The deadline of a send that the nodes run with. */
  sendDeadlineMs: number;
  say(line: string): void;
}

export type Verdict = 'pass' | 'late' | 'FAIL' | 'unknown';

export interface EpisodeResult {
  fault: string;
  seed: number;
  verdict: Verdict;
  /** Broken promises. */
  violations: Violation[];
  /** Bounds that were missed, in words. */
  missed: string[];
  evidence: string | null;
  measures: Measures;
  /** Most that a node grew over what it had at the beginning. */
  grownBytes: number;
  /** What happened, for whoever looks into it. */
  record: { history: History; table: Table; window: Landed };
  /** The longest this process, which runs the clients, was not there to look. */
  stallMs: number;
}

const SETTLE_MS = 12_000;
const SAMPLE_MS = 250;
/** A process that shares two cores with the nodes and servers measures this much too much. */
const TOLERANCE_MS = 500;
const CATCH_UP_MS = 5_000;
const DETECT_MS = 2_000;
const RESUME_MS = 2_000;
const MAX_GROWTH_BYTES = 200 * 1024 * 1024;

export async function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  const { cluster, fault, seed, tailMs, say } = options;
  const random = createRandom(seed);
  const stalls = monitorEventLoopDelay({ resolution: 10 });
  stalls.enable();
  const workload = await startWorkload({
    cluster,
    random,
    ...(options.size && { size: options.size }),
  });
  const memory = watchMemory(cluster);
  let landed: Landed;
  try {
    // If not, the run ends here, and what is missing is judged like any other hole.
    const warm = await workload.warm();
    memory.begin();
    say(`${fault.name} seed ${seed}: ${warm ? 'everybody talks' : 'NOT EVERYBODY HEARS'}`);
    const context = { cluster, workload, random: random.fork() };
    landed = warm
      ? await fault.run({ ...context, holdMs: options.holdMs ?? fault.holdMs })
      : { startedAt: performance.now(), endedAt: performance.now(), evidence: null };
    say(`${fault.name} seed ${seed}: ${landed.evidence ?? 'DID NOT LAND'}`);
    await sleep(tailMs);
    await workload.quiet();
    await restored(cluster);
    await workload.settle(options.settleMs ?? SETTLE_MS);
  } finally {
    await memory.end();
    workload.close();
    stalls.disable();
  }
  const ids = workload.conversations.map(({ id }) => id);
  const { history } = workload;
  const table = { ...(await readTable(cluster, ids)), ...(await readLost(landed, cluster, ids)) };
  const violations = checkHistory(history, table);
  const measures = measure(history, landed);
  const stallMs = stalls.max / 1e6;
  const missed = missedBounds(fault, measures, memory.grownBytes(), options.sendDeadlineMs);
  const nothing = landed.evidence === null || measures.ok === 0 || measures.deliveries === 0;
  const failed = violations.length > 0;
  return {
    fault: fault.name,
    seed,
    verdict: failed ? 'FAIL' : nothing ? 'unknown' : missed.length > 0 ? 'late' : 'pass',
    violations,
    missed,
    evidence: landed.evidence,
    measures,
    grownBytes: memory.grownBytes(),
    record: { history, table, window: landed },
    stallMs,
  };
}

/** The time bounds of the promise, apart from safety: a busy machine may miss them. */
function missedBounds(
  fault: Fault,
  measures: Measures,
  grownBytes: number,
  sendDeadlineMs: number,
): string[] {
  const missed: string[] = [];
  const hold = (what: string, value: number, bound: number): void => {
    if (!(value <= bound + TOLERANCE_MS)) missed.push(`${what} ${Math.round(value)} ms > ${bound}`);
  };
  hold('caught up after', measures.caughtUpMs, CATCH_UP_MS);
  // A node that cannot read PostgreSQL cannot see what it has missed.
  if (fault.away !== 'postgres') hold('heard after', measures.detectMs, DETECT_MS);
  if (fault.away === 'postgres') {
    hold('resumed after', measures.firstOkMs, RESUME_MS);
    hold('answered after', measures.slowestAnswerMs, sendDeadlineMs);
    if (measures.unanswered > 0) missed.push(`${measures.unanswered} sends without an answer`);
    if (measures.lostDuring > 0) missed.push(`${measures.lostDuring} connections lost`);
  }
  if (measures.failed > 0) missed.push(`${measures.failed} sends never got through`);
  if (grownBytes > MAX_GROWTH_BYTES) missed.push(`a node grew by ${grownBytes} bytes`);
  return missed;
}

function watchMemory(cluster: Cluster) {
  // By process: one that was started again begins anew.
  const first = new Map<number, number>();
  let grown = 0;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  async function look(): Promise<void> {
    for (const { process } of cluster.nodes) {
      const bytes = await process.residentBytes();
      if (bytes === 0) continue;
      const before = first.get(process.pid);
      if (before === undefined) first.set(process.pid, bytes);
      else grown = Math.max(grown, bytes - before);
    }
  }
  return {
    begin() {
      looking = look();
      timer = setInterval(() => {
        looking = look();
      }, SAMPLE_MS);
    },
    async end() {
      clearInterval(timer);
      await looking;
    },
    grownBytes: () => grown,
  };
}

type Gone = Pick<Table, 'lost' | 'replacedAt' | 'deleted'>;

/** What was there during the run and is not any more. */
async function readLost(
  { replaced }: Landed,
  { sql }: Cluster,
  ids: readonly string[],
): Promise<Gone> {
  const [there] = await sql`SELECT to_regclass('public.deleted_rows') IS NOT NULL AS deleted`;
  const deleted =
    there?.deleted === true
      ? await sql<Table['deleted']>`
          SELECT ${messageColumns(sql)} FROM public.deleted_rows
          WHERE conversation_id = ANY(${ids}::uuid[])`
      : [];
  if (replaced === undefined) return { lost: [], replacedAt: null, deleted };
  const held = await replaced.rows();
  const kept = await sql<{ id: string }[]>`
    SELECT id FROM messaging.messages WHERE conversation_id = ANY(${ids}::uuid[])`;
  const keptIds = new Set(kept.map(({ id }) => id));
  return { lost: held.filter(({ id }) => !keptIds.has(id)), replacedAt: replaced.at, deleted };
}

async function readTable(
  { sql }: Cluster,
  ids: readonly string[],
): Promise<Omit<Table, keyof Gone>> {
  const [messages, conversations, cursors, membership] = await Promise.all([
    sql<Table['messages']>`
      SELECT ${messageColumns(sql)} FROM messaging.messages WHERE conversation_id = ANY(${ids}::uuid[])`,
    sql<Table['conversations']>`
      SELECT id, last_seq::int AS "lastSeq" FROM messaging.conversations
      WHERE id = ANY(${ids}::uuid[])`,
    sql<Table['cursors']>`
      SELECT conversation_id AS "conversationId", participant_id AS "userId",
        last_read_seq::int AS "lastReadSeq"
      FROM messaging.conversation_participants WHERE conversation_id = ANY(${ids}::uuid[])`,
    sql<Table['membership']>`
      SELECT conversation_id AS "conversationId", participant_id AS "userId", action,
        last_seq::int AS "lastSeq"
      FROM public.membership_log WHERE conversation_id = ANY(${ids}::uuid[]) ORDER BY n`,
  ]);
  return { messages, conversations, cursors, membership };
}
