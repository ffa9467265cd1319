/** One run of traffic against one freshly started server on a fresh database. */
import { join } from 'node:path';
import type { LoadPlan, LoadResult, Room, Traffic } from '../load/plan.ts';
import type { BenchContext } from './context.ts';
import { type BenchDatabase, createBenchDatabase, faultsInTable, insertRooms } from './database.ts';
import { EJABBERD, startEjabberd } from './ejabberd.ts';
import { createEjabberdDatabase, faultsInArchive } from './ejabberd-database.ts';
import { runLoad } from './load.ts';
import { faultTexts, limitNotes, type Sample, usageMetrics } from './result.ts';
import { type Server, startBaseline, startProduct } from './server.ts';
import type { Tree } from './tree.ts';

const CONNECT_MS = 120_000;
const GRACE_MS = 60_000;

export const PRODUCT = 'product';
export const TWO_NODES = `${PRODUCT} ×2 over Redis`;

export interface Subject {
  /** `product`, or the name of a baseline's file. */
  name: string;
  /** Nodes on one database and one Redis; only the product has more than one. */
  nodes?: number;
  redis?: boolean;
  /** Whether it keeps messages in PostgreSQL. */
  stores: boolean;
  tree?: Tree;
  /** Settings of the product over those of every bench. */
  env?: Record<string, string>;
}

/** What people deploy, where it is installed. */
export function deployedSubjects({ ejabberd }: Pick<BenchContext, 'ejabberd'>): Subject[] {
  return ejabberd === null ? [] : [{ name: EJABBERD, stores: true }];
}

export interface Running {
  /** What it speaks. */
  wire: 'socket.io' | 'xmpp';
  servers: Server[];
  ports: number[];
  pids: number[];
  /** The database of the subject; null: it stores nothing. */
  sql: BenchDatabase['sql'] | null;
  databaseUrl: string | null;
  /**
   * What is wrong with what it has stored; nothing where it stores nothing.
   *
   * @param inDoubt so many more than were acknowledged may be there
   */
  faultsInStore(acknowledged: number, inDoubt?: number): Promise<string[]>;
  stop(): Promise<void>;
}

/**
 * Starts a subject with the rooms in its database.
 *
 * @param fill puts more into it
 */
export async function startSubject(
  context: BenchContext,
  subject: Subject,
  rooms: readonly Room[],
  fill?: (sql: BenchDatabase['sql']) => Promise<unknown>,
): Promise<Running> {
  if (subject.name === EJABBERD) return startEjabberdSubject(context, rooms);
  const tree = subject.tree ?? context.tree;
  const isProduct = subject.name.startsWith(PRODUCT);
  const database = subject.stores
    ? await createBenchDatabase(context.serverUrl, tree, !isProduct)
    : null;
  const servers: Server[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    await database?.drop();
  };
  try {
    if (database !== null) {
      await insertRooms(database.sql, rooms);
      await fill?.(database.sql);
    }
    const options = {
      tree,
      name: subject.name,
      databaseUrl: database?.url ?? '',
      ...(subject.env === undefined ? {} : { env: subject.env }),
      ...(subject.redis === true && context.redisUrl !== null
        ? { redisUrl: context.redisUrl, redisPrefix: `bench-${process.pid}:` }
        : {}),
    };
    const start = isProduct ? startProduct : startBaseline;
    const nodes = Array.from({ length: subject.nodes ?? 1 }, () => start(options));
    // All of them, even if the first fails: none may be left behind.
    const started = await Promise.allSettled(nodes);
    for (const node of started) if (node.status === 'fulfilled') servers.push(node.value);
    const failed = started.find((node) => node.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    wire: 'socket.io',
    ...placesOf(servers),
    sql: database?.sql ?? null,
    databaseUrl: database?.url ?? null,
    faultsInStore: async (acknowledged, inDoubt) =>
      database === null ? [] : faultsInTable(database.sql, acknowledged, inDoubt),
    stop,
  };
}

async function startEjabberdSubject(
  { serverUrl, tree, ejabberd }: BenchContext,
  rooms: readonly Room[],
): Promise<Running> {
  if (ejabberd === null) throw new Error('there is no ejabberd');
  const database = await createEjabberdDatabase(serverUrl, ejabberd, rooms);
  try {
    const server = await startEjabberd(ejabberd, tree, database.url);
    return {
      wire: 'xmpp',
      ...placesOf([server]),
      sql: database.sql,
      databaseUrl: database.url,
      faultsInStore: (acknowledged) => faultsInArchive(database.sql, acknowledged),
      async stop() {
        await server.stop();
        await database.drop();
      },
    };
  } catch (error) {
    await database.drop();
    throw error;
  }
}

function placesOf(servers: Server[]): Pick<Running, 'servers' | 'ports' | 'pids'> {
  return {
    servers,
    ports: servers.map(({ port }) => port),
    pids: servers.flatMap(({ pids }) => pids),
  };
}

export type TrafficShape = Pick<
  Traffic,
  | 'rooms'
  | 'senders'
  | 'window'
  | 'ratePerSecond'
  | 'warmUpMs'
  | 'measureMs'
  | 'contentBytes'
  | 'roomsTogether'
  | 'socketPerPerson'
>;

/** Runs traffic against a fresh server; the table is checked afterwards too. */
export async function measureTraffic(
  context: BenchContext,
  subject: Subject,
  name: string,
  shape: TrafficShape,
): Promise<Omit<Sample, 'round'>> {
  const running = await startSubject(context, subject, shape.rooms);
  try {
    const plan: LoadPlan = {
      kind: 'traffic',
      ...shape,
      wire: running.wire,
      ports: running.ports,
      serverPids: running.pids,
      connectConcurrency: 50,
      connectTimeoutMs: CONNECT_MS,
      settleMs: context.pick({ tiny: 10_000, quick: 15_000, full: 30_000 }),
    };
    const [server] = running.servers;
    const profile = context.profileDir === null ? null : join(context.profileDir, fileOf());
    if (profile !== null) await server?.startProfile();
    const timeoutMs = CONNECT_MS + shape.warmUpMs + shape.measureMs + plan.settleMs + GRACE_MS;
    const result = await runLoad(context.tree, plan, timeoutMs);
    if (profile !== null) await server?.stopProfile(profile);
    const faults = [...faultTexts(result), ...(await running.faultsInStore(result.totalDone))];
    return sampleOf(subject.name, name, result, faults);
  } finally {
    await running.stop();
  }

  function fileOf(): string {
    return `${subject.name}-${name.replaceAll(/[^0-9a-z]+/gi, '-')}.cpuprofile`;
  }
}

export function sampleOf(
  subject: string,
  name: string,
  result: LoadResult,
  faults: string[] = faultTexts(result),
): Omit<Sample, 'round'> {
  const metrics = usageMetrics(result);
  const latencies: Sample['latencies'] = {};
  for (const [key, latency] of [
    ['ack', result.ackLatency],
    ['delivery', result.deliveryLatency],
  ] as const) {
    if (latency.count === 0) continue;
    latencies[key] = latency;
    for (const [p, ms] of latency.percentiles) {
      if ([50, 99, 99.9].includes(p)) metrics[`${key}_p${p}_ms`] = ms;
    }
  }
  return { subject, case: name, metrics, latencies, notes: limitNotes(result), faults };
}
