/**
 * The world of a run: a private PostgreSQL and Redis, and nodes between which the links can be
 * broken. Nothing here is shared with anybody, so everything may be killed.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import postgres from 'postgres';
import { migrate } from '../../src/store/migrate.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/postgres.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis-server.ts';
import type { ReplicatedPostgres } from '../support/replicated-postgres.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { createDatabase } from '../support/test-databases.ts';
import { type Build, makeBuild, type Patch } from './build.ts';
import { createNode, type NodeProcess } from './node-process.ts';

export interface Servers {
  postgres: OwnPostgres;
  redis: OwnRedis;
  stop(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const ownPostgres = await startOwnPostgres();
  const redis = await startOwnRedis().catch(async (error: unknown) => {
    await ownPostgres.stop();
    throw error;
  });
  return {
    postgres: ownPostgres,
    redis,
    async stop() {
      await redis.stop();
      await ownPostgres.stop();
    },
  };
}

/** A node and its two links, each through a proxy of its own. */
export interface ClusterNode {
  process: NodeProcess;
  postgresLink: TcpProxy;
  redisLink: TcpProxy;
}

export interface Cluster {
  readonly servers: Servers;
  readonly nodes: readonly ClusterNode[];
  /** The test's own way to the database. */
  readonly sql: postgres.Sql;
  /** The database, and what takes its place; null: it has no standby. */
  readonly replicated: ReplicatedPostgres | null;
  /** Everybody's connections lead to this port from now on, and those that are open end. */
  redirect(port: number): void;
  /** Starts every node that does not run. */
  revive(): Promise<void>;
  stop(): Promise<void>;
}

/** Logs every change of a member list, inside its transaction, with the last seq before it. */
const MEMBERSHIP_LOG = `
  CREATE TABLE public.membership_log (n BIGSERIAL PRIMARY KEY, conversation_id UUID NOT NULL,
    participant_id UUID NOT NULL, action TEXT NOT NULL, last_seq BIGINT NOT NULL);
  CREATE FUNCTION public.log_membership() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE changed messaging.conversation_participants;
  BEGIN
    IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
    INSERT INTO public.membership_log (conversation_id, participant_id, action, last_seq)
    SELECT c.id, changed.participant_id,
      CASE TG_OP WHEN 'DELETE' THEN 'removed' ELSE 'added' END, c.last_seq
    FROM messaging.conversations c WHERE c.id = changed.conversation_id;
    RETURN NULL;
  END $$;
  CREATE TRIGGER log_membership AFTER INSERT OR DELETE ON messaging.conversation_participants
    FOR EACH ROW EXECUTE FUNCTION public.log_membership();`;

/** A fresh database as `build` wants it, and the test's own way to it. */
async function openDatabase(server: { url: string; port: number }, build: Build) {
  const url = new URL(server.url);
  url.pathname = `/${await createDatabase(server.url)}`;
  // By the build's own files: a node refuses a database that knows more than it does.
  await migrate({ databaseUrl: url.href, directory: join(build.directory, 'sql') });
  const link = await startTcpProxy({ host: '127.0.0.1', port: server.port });
  const sql = postgres(link.through(url.href), {
    max: 3,
    connect_timeout: 10,
    onnotice: () => undefined,
  });
  await sql.unsafe(MEMBERSHIP_LOG);
  return { url: url.href, sql, link };
}

/** Starts `size` nodes, of sources with these patches, on a fresh database. */
export async function startCluster(options: {
  servers: Servers;
  size: number;
  patches?: readonly Patch[] | undefined;
  /** Where the sources are; left out: this project. */
  from?: string | undefined;
  env?: Record<string, string>;
  /** Left out: that of the servers. */
  replicated?: ReplicatedPostgres | null;
}): Promise<Cluster> {
  const { servers, size, env = {} } = options;
  const build = await makeBuild(options.patches, options.from);
  const replicated = options.replicated ?? null;
  const server = replicated ?? servers.postgres;
  const { url, sql, link } = await openDatabase(server, build).catch(async (error: unknown) => {
    await build.remove();
    throw error;
  });
  const nodes: ClusterNode[] = [];
  const prefix = `history:${randomBytes(6).toString('hex')}:`;

  async function addNode(): Promise<void> {
    const postgresLink = await startTcpProxy({ host: '127.0.0.1', port: server.port });
    const redisLink = await startTcpProxy({ host: '127.0.0.1', port: servers.redis.port });
    const node = await createNode(build.directory, {
      DATABASE_URL: postgresLink.through(url),
      REDIS_URL: redisLink.through(servers.redis.url),
      REDIS_PREFIX: prefix,
      ...env,
    });
    nodes.push({ process: node, postgresLink, redisLink });
  }

  async function stop(): Promise<void> {
    await Promise.all(nodes.map(({ process }) => process.discard()));
    await Promise.all(
      nodes.flatMap(({ postgresLink, redisLink }) => [postgresLink.stop(), redisLink.stop()]),
    );
    await sql.end({ timeout: 1 });
    await link.stop();
    await build.remove();
  }

  function redirect(port: number): void {
    for (const one of [link, ...nodes.map(({ postgresLink }) => postgresLink)]) {
      one.aim({ host: '127.0.0.1', port });
      one.killAll();
    }
  }

  const revive = async (): Promise<void> => {
    const ended = nodes.filter(({ process }) => !process.alive);
    await Promise.all(ended.map(({ process }) => process.start()));
  };

  try {
    for (let count = 0; count < size; count += 1) await addNode();
    await revive();
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, nodes, sql, replicated, redirect, revive, stop };
}
