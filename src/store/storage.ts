/** Everything this process has of PostgreSQL, made together: connections, the writer, the rules' store. */
import {
  IDLE_IN_TRANSACTION_MS,
  MAX_WAITING_CALLS,
  STORE_LIMITS,
  WRITER_LIMITS,
} from '../bounds/store.ts';
import type { Store } from '../chat/ports.ts';
import type { Config } from '../config.ts';
import { chooseHost } from './choose-host.ts';
import { createDatabase, type Database, type Log } from './database.ts';
import { createEpochs, type Epochs } from './epoch.ts';
import { DatabaseUnavailable } from './link.ts';
import { createStore } from './store.ts';
import { createWriter, type Writer } from './writer.ts';

export interface StorageDeps {
  url: string;
  settings: Config['database'];
  /** The longest message, in characters. */
  maxContentLength: number;
  log: Log;
  /** Called for every batch seen through: how many messages, in how many milliseconds. */
  onBatch: (size: number, durationMs: number) => void;
}

export interface Storage {
  database: Database;
  writer: Writer;
  store: Store;
  epochs: Epochs;
  /** `ok`, or what keeps reads or sends from being answered, in words. */
  check(): Promise<string>;
}

/** Why PostgreSQL is of no use, for whoever looks at `/ready`. */
function inWords(error: unknown): string {
  const reason = error instanceof DatabaseUnavailable ? error.reason : undefined;
  if (reason === 'read_only')
    return 'takes no writes (a standby, or default_transaction_read_only)';
  if (reason === 'incomplete')
    return 'lacks triggers, or they are disabled (is a dump being restored?)';
  return reason === 'crowded' ? 'has no connection left' : 'does not answer';
}

/**
 * Opens a prepared database (prepare.ts); resolves when the first connection has said which database
 * it is.
 *
 * @throws DatabaseUnavailable when PostgreSQL does not answer, or takes no writes
 */
export async function openStorage(deps: StorageDeps): Promise<Storage> {
  const { url, settings, log, onBatch } = deps;
  await chooseHost(url, settings.connectTimeoutMs);
  const epochs = createEpochs(log);
  const database = createDatabase({
    url,
    poolMax: settings.poolMax,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: settings.queryDeadlineMs,
    statementTimeoutMs: settings.statementTimeoutMs,
    connectTimeoutMs: settings.connectTimeoutMs,
    idleInTransactionTimeoutMs: IDLE_IN_TRANSACTION_MS,
    applicationName: 'messaging-service',
    epochs,
    log,
  });
  const writer = createWriter({
    database,
    limits: {
      ...WRITER_LIMITS,
      maxQueue: settings.maxSendQueue,
      maxBatch: settings.maxSendBatch,
      sendDeadlineMs: settings.sendDeadlineMs,
    },
    log,
    onBatch,
  });
  const { maxContentLength } = deps;
  const limits = { ...STORE_LIMITS, maxWaitMs: settings.queryDeadlineMs, maxContentLength };
  const store = createStore({ database, writer, epochs, limits });
  try {
    await store.ping();
  } catch (error) {
    await database.close(0);
    throw error;
  }
  const check = (): Promise<string> =>
    Promise.all([store.ping(), writer.probe()]).then(() => 'ok', inWords);
  return { database, writer, store, epochs, check };
}
