/** What a database needs before the first process serves from it: its schema, and for one of our own, people. */
import { MAX_WAITING_CALLS, PREPARE_CLOSE_MS, PREPARE_STATEMENT_MS } from '../bounds/store.ts';
import { ignoredIn } from './connect.ts';
import { createDatabase, type Log } from './database.ts';
import { insertDemoData } from './demo-data.ts';
import { migrate } from './migrate.ts';
import { tryDatabase } from './trial.ts';

export interface PrepareOptions {
  databaseUrl: string;
  /** Puts the demo people into an empty database: only for one of our own. */
  demoData: boolean;
  connectTimeoutMs: number;
  log: Log;
}

/**
 * Migrates, tries whether messages can be stored, and on demand inserts the demo data. Any number of
 * processes may call it at once.
 *
 * @throws Error in one sentence when the database cannot be migrated, or would refuse messages
 */
export async function prepareDatabase(options: PrepareOptions): Promise<void> {
  const { databaseUrl, log } = options;
  const ignored = ignoredIn(databaseUrl);
  if (ignored.length > 0)
    log.warn({ ignored }, 'DATABASE_URL has parameters that mean nothing here');
  await migrate({
    databaseUrl,
    // Where it is one of our own, there is no DATABASE_URL to look at.
    ...(options.demoData ? { setting: 'the embedded one, in DATA_DIR' } : {}),
    log: (line) => log.info({}, line),
  });
  const database = createDatabase({
    url: databaseUrl,
    poolMax: 1,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: PREPARE_STATEMENT_MS,
    statementTimeoutMs: PREPARE_STATEMENT_MS,
    connectTimeoutMs: options.connectTimeoutMs,
    idleInTransactionTimeoutMs: PREPARE_STATEMENT_MS,
    applicationName: 'messaging-migrate',
    log,
  });
  try {
    await tryDatabase(database);
    if (options.demoData) await insertDemoData(database);
  } finally {
    await database.close(PREPARE_CLOSE_MS);
  }
}
