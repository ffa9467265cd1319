/** Faults of PostgreSQL and of the links to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { waitFor } from '../support/wait.ts';
import type { ClusterNode } from './cluster.ts';
import { during, type Fault, silence } from './fault.ts';
import type { MessageRow } from './history.ts';
import { messageColumns } from './message-columns.ts';

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

/** Messages are stored and the answer that they are does not arrive; in turn the connection closes or is silent. */
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
        await postgresLink.swallowNext({ from: 'server', text: 'stored', effect });
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

/** The primary dies without having sent its last commits, and its standby takes over. */
export const failOver: Fault = {
  name: 'pg-failover',
  // How long the standby hears nothing before.
  holdMs: 400,
  away: 'postgres',
  standby: true,
  async run({ cluster, holdMs }) {
    const { replicated } = cluster;
    if (replicated === null) throw new Error('This fault needs a database with a standby.');
    const startedAt = performance.now();
    const url = new URL(replicated.url);
    const [row] = await cluster.sql<{ name: string }[]>`SELECT current_database() AS name`;
    url.pathname = `/${row?.name}`;
    const stored = async (): Promise<number> => {
      const [counted] = await cluster.sql<{ n: number }[]>`
        SELECT count(*)::int AS n FROM messaging.messages`;
      return counted?.n ?? 0;
    };
    const port = await replicated.failOver(async () => {
      const before = await stored();
      await sleep(holdMs);
      await waitFor(async () => (await stored()) > before, { what: 'a commit to be lost' });
    });
    cluster.redirect(port);
    const endedAt = performance.now();
    await replicated.reviveOldPrimary();
    const old = postgres(url.href, { max: 1, onnotice: () => undefined });
    const held = await old<MessageRow[]>`SELECT ${messageColumns(old)} FROM messaging.messages`;
    await old.end({ timeout: 1 });
    const kept = await cluster.sql<{ id: string }[]>`SELECT id FROM messaging.messages`;
    const lost = held.length - held.filter(({ id }) => kept.some((one) => one.id === id)).length;
    const evidence = lost > 0 ? `${lost} messages were lost with the primary` : null;
    return { startedAt, endedAt, evidence, replaced: { at: endedAt, rows: async () => held } };
  },
};

/** The rows of some time ago are put back under the running nodes. */
export const restoreBackup: Fault = {
  name: 'pg-restore',
  // How old the backup is.
  holdMs: 1_500,
  away: null,
  async run({ cluster, holdMs }) {
    const { sql } = cluster;
    const startedAt = performance.now();
    const tables = ['conversations', 'conversation_participants', 'messages'];
    await sql.begin(async (backup) => {
      await backup`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`;
      await backup`CREATE SCHEMA backup`;
      for (const table of tables) {
        await backup.unsafe(`CREATE TABLE backup.${table} AS TABLE messaging.${table}`);
      }
    });
    await sleep(holdMs);
    await sql.begin(async (restore) => {
      await restore`SET LOCAL session_replication_role = replica`;
      await restore`
        LOCK TABLE messaging.conversations, messaging.conversation_participants, messaging.messages
          IN ACCESS EXCLUSIVE MODE`;
      await restore`CREATE TABLE public.lost_rows AS TABLE messaging.messages`;
      await restore`TRUNCATE messaging.messages, messaging.conversation_participants,
        messaging.conversations CASCADE`;
      for (const table of tables) {
        await restore.unsafe(`INSERT INTO messaging.${table} SELECT * FROM backup.${table}`);
      }
    });
    const endedAt = performance.now();
    const held = await sql<MessageRow[]>`SELECT ${messageColumns(sql)} FROM public.lost_rows`;
    const [kept] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM backup.messages`;
    const lost = held.length - (kept?.n ?? 0);
    const evidence = lost > 0 ? `${lost} messages were not in the backup` : null;
    return { startedAt, endedAt, evidence, replaced: { at: endedAt, rows: async () => held } };
  },
};

/** Somebody else's clean-up job deletes messages while everybody talks. */
export const deleteRows: Fault = {
  name: 'rows-deleted',
  holdMs: 3_000,
  away: null,
  async run({ cluster, workload, holdMs, random }) {
    const { sql } = cluster;
    await sql`CREATE TABLE public.deleted_rows AS TABLE messaging.messages WITH NO DATA`;
    const ids = workload.conversations.map(({ id }) => id);
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let deleted = 0;
    do {
      const rows = await sql`
        WITH gone AS (
          DELETE FROM messaging.messages WHERE id IN (
            SELECT id FROM messaging.messages WHERE conversation_id = ANY(${ids}::uuid[])
            ORDER BY random() LIMIT ${random.between(1, 15)}
          ) RETURNING *
        ) INSERT INTO public.deleted_rows SELECT * FROM gone RETURNING 1`;
      deleted += rows.length;
      // Of some the newest goes, before everybody has heard it.
      await sql`
        WITH gone AS (
          DELETE FROM messaging.messages m USING messaging.conversations c
          WHERE c.id = ${random.pick(ids)} AND m.conversation_id = c.id AND m.seq = c.last_seq
          RETURNING m.*
        ) INSERT INTO public.deleted_rows SELECT * FROM gone`;
      await sleep(random.between(20, 150));
    } while (performance.now() < until);
    const endedAt = performance.now();
    return { startedAt, endedAt, evidence: deleted > 0 ? `${deleted} rows were deleted` : null };
  },
};
