/** Everything this process has of PostgreSQL, made together: connections, the writer, the rules' store. */
import type { Store } from '../chat/ports.ts';
import type { Config } from '../config.ts';
import { createDatabase, type Database, type Log } from './database.ts';
import { createEpochs, type Epochs } from './epoch.ts';
import { createStore } from './store.ts';
import { createWriter, defaultWriterLimits, type Writer } from './writer.ts';

export interface StorageOptions {
  url: string;
  settings: Config['database'];
  /** The longest message, in characters. */
  maxContentLength: number;
  log: Log;
  /** Told of every batch seen through: how many messages, how long. */
  onBatch: (size: number, durationMs: number) => void;
}

export interface Storage {
  database: Database;
  writer: Writer;
  store: Store;
  epochs: Epochs;
}

/** A frozen node holds its batch locked for so long; the others wait for it. */
const IDLE_IN_TRANSACTION_MS = 3_000;

/**
 * Opens a prepared database (prepare.ts); resolves when the first connection has said which database
 * it is.
 *
 * @throws DatabaseUnavailable when PostgreSQL does not answer, or takes no writes
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { url, settings, log, onBatch } = options;
  const epochs = createEpochs(log);
  const database = createDatabase({
    url,
    poolMax: settings.poolMax,
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
      ...defaultWriterLimits,
      maxQueue: settings.maxSendQueue,
      maxBatch: settings.maxSendBatch,
      sendDeadlineMs: settings.sendDeadlineMs,
    },
    log,
    epochs,
    onBatch,
  });
  const { maxContentLength } = options;
  const limits = { maxWaitMs: settings.queryDeadlineMs, maxContentLength };
  const store = createStore({ database, writer, epochs, limits });
  try {
    await store.ping();
  } catch (error) {
    await database.close(0);
    throw error;
  }
  return { database, writer, store, epochs };
}
