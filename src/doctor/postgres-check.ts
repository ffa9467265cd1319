/** Whether PostgreSQL is there, new enough, migrated, safe and large enough. Changes nothing. */
import type postgres from 'postgres';
import { POSTGRES_END_S, STATEMENT_TIMEOUT_MS } from '../bounds/doctor.ts';
import { WRITER_CONNECTIONS } from '../bounds/store.ts';
import { reasonOf } from '../shared/reason.ts';
import { chooseHost } from '../store/choose-host.ts';
import { connectPostgres } from '../store/connect.ts';
import { awaitFirstAnswer } from '../store/first-answer.ts';
import { readMigrationStatus } from '../store/migration-status.ts';
import { requireSessions } from '../store/pooler.ts';
import { setSession } from '../store/session.ts';
import { findMissingTriggers } from '../store/triggers.ts';
import { advise, type Finding, ok, problem } from './finding.ts';

const SUBJECT = 'PostgreSQL';
const OLDEST_VERSION_NUMBER = 140_000;

export interface PostgresCheckOptions {
  url: string;
  poolMax: number;
  /** How many processes have a pool. */
  nodes: number;
  connectTimeoutMs: number;
}

/** The findings about the PostgreSQL at `url`; one that cannot be reached is a finding. */
export async function checkPostgres(options: PostgresCheckOptions): Promise<Finding[]> {
  await chooseHost(options.url, options.connectTimeoutMs);
  const sql = connectPostgres(options.url, {
    max: 1,
    connect_timeout: options.connectTimeoutMs / 1_000,
    connection: { application_name: 'messaging-doctor' },
    onnotice: () => undefined,
  });
  try {
    return await look(sql, options);
  } catch (error) {
    return [
      problem(
        SUBJECT,
        reasonOf(error),
        'Look at DATABASE_URL, at the server, and at what lies between (firewall, pg_hba.conf).',
      ),
    ];
  } finally {
    await sql.end({ timeout: POSTGRES_END_S });
  }
}

async function look(sql: postgres.Sql, options: PostgresCheckOptions): Promise<Finding[]> {
  await awaitFirstAnswer(sql, options.connectTimeoutMs);
  await requireSessions(options.url, options.connectTimeoutMs);
  await setSession(sql, { statement_timeout: STATEMENT_TIMEOUT_MS });
  const startedAt = performance.now();
  await sql`SELECT 1`;
  const tookMs = (performance.now() - startedAt).toFixed(1);
  const [facts] = await sql<Facts[]>`
    SELECT current_setting('server_version') AS version,
      current_setting('server_version_num')::int AS number,
      current_setting('max_connections')::int AS "maxConnections",
      current_setting('fsync') AS fsync,
      current_setting('synchronous_commit') AS "synchronousCommit",
      current_setting('server_encoding') AS encoding,
      (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used`;
  if (facts === undefined) throw new Error('no answer to a query');
  const found: Finding[] = [];
  const version = `version ${facts.version}, round trip ${tookMs} ms`;
  found.push(
    facts.number < OLDEST_VERSION_NUMBER
      ? problem(SUBJECT, version, 'The service needs PostgreSQL 14 or later.')
      : ok(SUBJECT, version),
  );
  found.push(...durability(facts), ...connections(facts, options));
  found.push(await schema(sql), ...(await writing(sql)));
  return found;
}

interface Facts {
  version: string;
  number: number;
  maxConnections: number;
  fsync: string;
  synchronousCommit: string;
  encoding: string;
  used: number;
}

function durability({ fsync, synchronousCommit, encoding }: Facts): Finding[] {
  const found: Finding[] = [];
  if (fsync === 'off' || synchronousCommit === 'off') {
    found.push(
      advise(
        SUBJECT,
        `fsync=${fsync}, synchronous_commit=${synchronousCommit}`,
        'An acknowledged message can be lost when the server crashes: turn both on.',
      ),
    );
  }
  if (encoding !== 'UTF8') {
    found.push(problem(SUBJECT, `encoding ${encoding}`, 'Messages need a database in UTF8.'));
  }
  return found;
}

function connections(
  { maxConnections, used }: Facts,
  { poolMax, nodes }: PostgresCheckOptions,
): Finding[] {
  const free = maxConnections - used;
  const needed = nodes * (poolMax + WRITER_CONNECTIONS);
  const taker = nodes === 1 ? 'a node takes' : `${nodes} workers take`;
  const found = `${used} of ${maxConnections} connections in use; ${taker} up to ${needed}`;
  if (free >= needed) return [ok('Connections', found)];
  return [advise('Connections', found, 'Raise max_connections, or lower DATABASE_POOL_MAX.')];
}

/** What would keep messages from being stored, as far as it shows without writing. */
async function writing(sql: postgres.Sql): Promise<Finding[]> {
  const [facts] = await sql<{ standby: boolean; readOnly: boolean }[]>`
    SELECT pg_is_in_recovery() AS standby,
      current_setting('default_transaction_read_only') = 'on' AS "readOnly"`;
  if (facts?.standby) {
    return [problem(SUBJECT, 'is a standby', 'Let DATABASE_URL name the primary server.')];
  }
  const found: Finding[] = [];
  if (facts?.readOnly) {
    const advice = 'Reset default_transaction_read_only of the database, the role or the server.';
    found.push(problem(SUBJECT, 'takes no writes', advice));
  }
  const missing = await findMissingTriggers(sql);
  const [schema] = await sql`SELECT to_regclass('messaging.notices') IS NOT NULL AS migrated`;
  if (missing.length > 0 && schema?.migrated === true) {
    const advice = 'Enable them (ALTER TABLE … ENABLE TRIGGER), or restore the schema from a dump.';
    found.push(problem('Schema', `triggers missing or disabled: ${missing.join(', ')}`, advice));
  }
  return found;
}

async function schema(sql: postgres.Sql): Promise<Finding> {
  const { applied, pending, changed, unknown } = await readMigrationStatus(sql);
  const found = `${applied.length} migrations applied, ${pending.length} pending`;
  if (unknown.length > 0) {
    const advice = 'A newer version has migrated this database: run that one.';
    return problem('Schema', `${found}; not known here: ${unknown.join(', ')}`, advice);
  }
  if (changed.length > 0) {
    const advice = 'Put the files of sql/ back as they were released.';
    return problem('Schema', `${found}; changed since: ${changed.join(', ')}`, advice);
  }
  if (pending.length === 0) return ok('Schema', found);
  const advice = 'The next start applies them, or `messaging-service migrate`.';
  return advise('Schema', `${found}: ${pending.join(', ')}`, advice);
}
