/**
 * Two PostgreSQL clusters, of which the second follows the first by streaming replication, for tests
 * in which it takes over without the last commits. Everything is in a temporary directory and gone
 * after `stop()`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { locateBinaries } from '../../src/embedded/binaries.ts';
import { freePort } from './ports.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);
/** Nobody's account: PostgreSQL refuses to run as root. */
const NOBODY = 65_534;

export interface ReplicatedPostgres {
  /** Superuser on database `postgres` of the first primary. */
  readonly url: string;
  readonly port: number;
  /** Where the standby listens, before and after it has taken over. */
  readonly standbyPort: number;
  /**
   * The standby hears nothing until `meanwhile` has resolved, then the primary crashes and the standby
   * takes over. Resolves with the port of the new primary.
   */
  failOver(meanwhile: () => Promise<unknown>): Promise<number>;
  /** Starts the old primary again, by itself, to see what was lost. */
  reviveOldPrimary(): Promise<void>;
  stop(): Promise<void>;
}

interface Cluster {
  directory: string;
  port: number;
  process: ChildProcess | undefined;
}

export async function startReplicatedPostgres(): Promise<ReplicatedPostgres> {
  const root = await mkdtemp(join(tmpdir(), 'messaging-test-replicated-'));
  const isRoot = process.getuid?.() === 0;
  const ids = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) await chown(root, NOBODY, NOBODY);
  const { initdb, server } = await findPrograms(root);
  const primary: Cluster = {
    directory: join(root, 'a'),
    port: await freePort(),
    process: undefined,
  };
  const standby: Cluster = {
    directory: join(root, 'b'),
    port: await freePort(),
    process: undefined,
  };
  let link: TcpProxy | undefined;

  async function start(cluster: Cluster): Promise<void> {
    const child = spawn(
      server,
      [
        ...['-D', cluster.directory, '-p', String(cluster.port), '-k', '', '-c', 'fsync=off'],
        ...['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=100', '-c', 'TimeZone=UTC'],
        ...['-c', 'shared_buffers=64MB', '-c', 'wal_receiver_timeout=5s'],
      ],
      { ...ids, cwd: '/', stdio: 'ignore' },
    );
    cluster.process = child;
    await waitFor(() => answers(cluster.port), { what: 'PostgreSQL', timeoutMs: 20_000 });
  }

  async function crash(cluster: Cluster): Promise<void> {
    const child = cluster.process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGQUIT');
    await ended;
  }

  /** A copy of the running primary that follows it through `link`. */
  async function follow(through: TcpProxy): Promise<void> {
    const sql = admin(primary.port);
    try {
      await sql`SELECT pg_backup_start('standby', true)`;
      await cp(primary.directory, standby.directory, { recursive: true });
      const [label] = await sql<
        { labelfile: string }[]
      >`SELECT labelfile FROM pg_backup_stop(false)`;
      await rm(join(standby.directory, 'postmaster.pid'), { force: true });
      await writeFile(join(standby.directory, 'backup_label'), label?.labelfile ?? '');
      await writeFile(join(standby.directory, 'standby.signal'), '');
      const conninfo = `host=127.0.0.1 port=${through.port} user=postgres`;
      await writeFile(
        join(standby.directory, 'postgresql.auto.conf'),
        `primary_conninfo = '${conninfo}'\nhot_standby = on\n`,
      );
      await run('chmod', ['-R', 'go-rwx', standby.directory]);
      if (isRoot) await run('chown', ['-R', `${NOBODY}:${NOBODY}`, standby.directory]);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async function stop(): Promise<void> {
    await Promise.all([crash(primary), crash(standby)]);
    await link?.stop();
    await rm(root, { recursive: true, force: true });
  }

  try {
    await run(
      initdb,
      ['-D', primary.directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'],
      { ...ids, cwd: '/' },
    );
    await start(primary);
    link = await startTcpProxy({ host: '127.0.0.1', port: primary.port });
    await follow(link);
    await start(standby);
  } catch (error) {
    await stop();
    throw error;
  }
  const replication = link;

  return {
    url: `postgres://postgres@127.0.0.1:${primary.port}/postgres`,
    port: primary.port,
    standbyPort: standby.port,

    async failOver(meanwhile) {
      replication.pause();
      await meanwhile();
      await crash(primary);
      // What the proxy held back never arrives.
      replication.killAll();
      replication.refuse(true);
      const sql = admin(standby.port);
      try {
        await sql`SELECT pg_promote(true, 20)`;
      } finally {
        await sql.end({ timeout: 1 });
      }
      return standby.port;
    },

    reviveOldPrimary: () => start(primary),
    stop,
  };
}

function admin(port: number): postgres.Sql {
  return postgres(`postgres://postgres@127.0.0.1:${port}/postgres`, {
    max: 1,
    connect_timeout: 10,
    onnotice: () => undefined,
  });
}

async function answers(port: number): Promise<boolean> {
  const sql = admin(port);
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The newest installed one, else the embedded one. */
async function findPrograms(root: string): Promise<{ initdb: string; server: string }> {
  const installed = '/usr/lib/postgresql';
  const versions = existsSync(installed) ? await readdir(installed) : [];
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const [initdb, server] = ['initdb', 'postgres'].map((name) =>
      join(installed, version, 'bin', name),
    );
    if (initdb !== undefined && server !== undefined && existsSync(initdb) && existsSync(server)) {
      return { initdb, server };
    }
  }
  const binaries = await locateBinaries(join(root, 'lib'));
  return { initdb: binaries.initdb, server: binaries.postgres };
}
