/**
 * What goes wrong in a run. Every fault says when it began and ended and how it is known to have
 * landed; one that did not land proves nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { waitFor } from '../support/wait.ts';
import type { Cluster, ClusterNode } from './cluster.ts';
import type { Random } from './random.ts';
import type { Workload } from './workload.ts';

export interface FaultContext {
  cluster: Cluster;
  workload: Workload;
  random: Random;
  /** How long the fault lasts, where that can be chosen. */
  holdMs: number;
}

export interface Landed {
  /** The clock of the history. */
  startedAt: number;
  endedAt: number;
  /** What shows that it happened; null: nothing does. */
  evidence: string | null;
}

export interface Fault {
  name: string;
  /** Default of `holdMs`. */
  holdMs: number;
  /** Whose absence it is, for the bounds that hold meanwhile. */
  away: 'redis' | 'postgres' | null;
  run(context: FaultContext): Promise<Landed>;
}

const NODE_AWAY_MS = 1_500;

async function during(
  { holdMs }: FaultContext,
  begin: () => Promise<string | null>,
  end: () => Promise<unknown>,
): Promise<Landed> {
  const startedAt = performance.now();
  const evidence = await begin();
  await sleep(holdMs);
  await end();
  return { startedAt, endedAt: performance.now(), evidence };
}

/** One node dies at once. The end is the death itself: its clients have to be served elsewhere. */
const killNode: Fault = {
  name: 'kill-node',
  holdMs: NODE_AWAY_MS,
  away: null,
  async run({ cluster, random, holdMs }) {
    const { process } = random.pick(cluster.nodes);
    const at = performance.now();
    process.signal('SIGKILL');
    await process.ended();
    await sleep(holdMs);
    await process.start();
    return { startedAt: at, endedAt: at, evidence: 'one node was killed and started again' };
  },
};

/** Every node in turn is asked to go and comes back, as in a deployment. */
const restartNodes: Fault = {
  name: 'sigterm-each',
  holdMs: 500,
  away: null,
  async run({ cluster, holdMs }) {
    const startedAt = performance.now();
    const codes: (number | null)[] = [];
    for (const { process } of cluster.nodes) {
      process.signal('SIGTERM');
      codes.push(await process.ended());
      await process.start();
      await sleep(holdMs);
    }
    const endedAt = performance.now();
    const clean = codes.every((code) => code === 0);
    return { startedAt, endedAt, evidence: clean ? 'every node left with exit code 0' : null };
  },
};

const killRedis: Fault = {
  name: 'redis-kill',
  holdMs: 4_000,
  away: 'redis',
  run: (context) => {
    const { redis } = context.cluster.servers;
    const before = redis.pid;
    return during(
      context,
      async () => {
        await redis.kill('SIGKILL');
        return `process ${before} was killed`;
      },
      () => redis.restart(),
    );
  },
};

const stopRedis: Fault = {
  name: 'redis-stop',
  holdMs: 30_000,
  away: 'redis',
  run: (context) => {
    const { redis } = context.cluster.servers;
    return during(
      context,
      async () => {
        await redis.kill('SIGSTOP');
        return 'the process was stopped';
      },
      () => redis.kill('SIGCONT'),
    );
  },
};

const killPubsub: Fault = {
  name: 'redis-kill-pubsub',
  holdMs: 2_000,
  away: null,
  async run({ cluster, holdMs, random }) {
    const admin = new Redis(cluster.servers.redis.url);
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let killed = 0;
    do {
      killed += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      await sleep(random.between(100, 700));
    } while (performance.now() < until);
    killed += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    const endedAt = performance.now();
    admin.disconnect();
    return { startedAt, endedAt, evidence: killed > 0 ? `${killed} clients were killed` : null };
  },
};

/** A Redis that is slow for one node only: what it says and hears comes late. */
const lateRedis: Fault = {
  name: 'redis-late',
  holdMs: 5_000,
  away: null,
  run: (context) => {
    const { redisLink } = context.random.pick(context.cluster.nodes);
    return during(
      context,
      async () => {
        redisLink.delay(200);
        return redisLink.connections() > 0 ? 'one link is 200 ms late' : null;
      },
      async () => redisLink.delay(0),
    );
  },
};

const terminateBackends: Fault = {
  name: 'pg-terminate',
  holdMs: 2_000,
  away: null,
  async run({ cluster, holdMs, random }) {
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let ended = 0;
    do {
      const rows = await cluster.sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'messaging-service'`;
      ended += rows.length;
      await sleep(random.between(50, 500));
    } while (performance.now() < until);
    const endedAt = performance.now();
    return { startedAt, endedAt, evidence: ended > 0 ? `${ended} connections were ended` : null };
  },
};

const crashPostgres: Fault = {
  name: 'pg-crash',
  holdMs: 2_000,
  away: 'postgres',
  run: (context) => {
    const { postgres } = context.cluster.servers;
    const before = postgres.pid;
    return during(
      context,
      async () => {
        await postgres.shutDown('immediate');
        return `postmaster ${before} crashed`;
      },
      () => postgres.start(),
    );
  },
};

const freezePostgres: Fault = {
  name: 'pg-stop',
  holdMs: 12_000,
  away: 'postgres',
  run: (context) => {
    const { postgres } = context.cluster.servers;
    return during(
      context,
      async () => {
        await postgres.freeze();
        return 'the postmaster and its children were stopped';
      },
      () => postgres.thaw(),
    );
  },
};

/** The COMMIT happens and its reply does not arrive; in turn the connection closes or is silent. */
const swallowCommits: Fault = {
  name: 'commit-swallowed',
  holdMs: 6_000,
  away: null,
  async run({ cluster, holdMs, random }) {
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let swallowed = 0;
    async function swallow({ postgresLink }: ClusterNode): Promise<void> {
      while (performance.now() < until) {
        const effect = random.chance(0.5) ? 'close' : 'silence';
        await postgresLink.swallowNext({ from: 'server', text: 'COMMIT', effect });
        swallowed += 1;
        await sleep(random.between(50, 1_000));
      }
    }
    await Promise.all(cluster.nodes.map(swallow));
    const endedAt = performance.now();
    const evidence = swallowed > 0 ? `${swallowed} replies were swallowed` : null;
    return { startedAt, endedAt, evidence };
  },
};

/** Somebody is removed while everybody talks; some are added again. */
const removeMembers: Fault = {
  name: 'member-removed',
  holdMs: 3_000,
  away: null,
  async run({ workload, holdMs, random }) {
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let removed = 0;
    const lively = workload.conversations.filter(({ people }) => people.length > 2);
    for (const { id, people } of random.shuffled(lively)) {
      const person = random.pick(people);
      await workload.changeMember('removed', id, person.id);
      removed += 1;
      await sleep(random.between(50, 400));
      if (random.chance(0.5)) await workload.changeMember('added', id, person.id);
    }
    await sleep(Math.max(0, until - performance.now()));
    const endedAt = performance.now();
    const saidAfter = workload.history.sends.some(({ attempts }) =>
      attempts.some(({ outcome, invokedAt }) => outcome === 'ok' && invokedAt > startedAt + 500),
    );
    const landed = removed > 0 && saidAfter;
    return { startedAt, endedAt, evidence: landed ? `${removed} people were removed` : null };
  },
};

/** Nothing goes wrong: the measure for the rest. */
const calm: Fault = {
  name: 'none',
  holdMs: 3_000,
  away: null,
  run: (context) =>
    during(
      context,
      async () => 'nothing was done',
      async () => undefined,
    ),
};

export const faults: readonly Fault[] = [
  calm,
  killNode,
  restartNodes,
  killRedis,
  stopRedis,
  killPubsub,
  lateRedis,
  terminateBackends,
  crashPostgres,
  freezePostgres,
  swallowCommits,
  removeMembers,
];

/** @throws Error naming all there are */
export function faultNamed(name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  if (found !== undefined) return found;
  throw new Error(`There is no fault ${name}: ${faults.map((fault) => fault.name).join(', ')}.`);
}

/** Resolves when the servers of the cluster answer again. */
export async function restored(cluster: Cluster): Promise<void> {
  await waitFor(async () => (await cluster.sql`SELECT 1`).length === 1, {
    timeoutMs: 30_000,
    what: 'PostgreSQL to answer again',
  });
}
