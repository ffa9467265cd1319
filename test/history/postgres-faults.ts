/** Faults of PostgreSQL and of the links to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterNode } from './cluster.ts';
import { during, type Fault, silence } from './fault.ts';

export const terminateBackends: Fault = {
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

export const crashPostgres: Fault = {
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

export const freezePostgres: Fault = {
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
export const swallowCommits: Fault = {
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

/**
 * Somebody else locks what the service writes to: one conversation throughout, and for moments now
 * this one, now that, or a sender.
 */
export const lockRows: Fault = {
  name: 'pg-rows-locked',
  holdMs: 7_000,
  away: null,
  async run({ cluster, workload, holdMs, random }) {
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    const [first, ...others] = random.shuffled(workload.conversations);
    let locked = 0;
    const hold = (id: string, what: 'conversation' | 'sender', forMs: number) =>
      cluster.sql.begin(async (sql) => {
        if (what === 'conversation') {
          await sql`SELECT FROM messaging.conversations WHERE id = ${id} FOR UPDATE`;
        } else {
          await sql`
            SELECT FROM auth.users WHERE id = (
              SELECT participant_id FROM messaging.conversation_participants
              WHERE conversation_id = ${id} LIMIT 1
            ) FOR UPDATE`;
        }
        locked += 1;
        await sleep(forMs);
      });
    async function moments(): Promise<void> {
      while (performance.now() < until) {
        const what = random.chance(0.7) ? 'conversation' : 'sender';
        await hold(random.pick(others).id, what, random.between(5, 400));
        await sleep(random.between(0, 100));
      }
    }
    await Promise.all([first && hold(first.id, 'conversation', holdMs), moments()]);
    const endedAt = performance.now();
    return { startedAt, endedAt, evidence: `rows were locked ${locked} times` };
  },
};

/** One node alone loses sight of PostgreSQL: nothing passes, nothing closes. */
export const silentPostgresLink: Fault = {
  name: 'pg-link-silent',
  holdMs: 8_000,
  away: 'postgres',
  run: (context) => silence(context, context.random.pick(context.cluster.nodes).postgresLink),
};
