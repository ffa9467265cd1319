// A migrated database with a store on it, and short ways to fill it. Messages are inserted here by
// plain SQL under the conversation's lock: these tests do not depend on the writer.

import type postgres from 'postgres';
import { MAX_WAITING_CALLS, STORE_LIMITS } from '../../src/bounds/store.ts';
import type { Store } from '../../src/chat/ports.ts';
import { type CanonicalId, foldId, newId } from '../../src/shared/ids.ts';
import { createDatabase, type Database } from '../../src/store/database.ts';
import type { Epochs } from '../../src/store/epoch.ts';
import { createStore, type StoreDeps } from '../../src/store/store.ts';
import { createTestDatabase } from '../support/database.ts';

export interface StoreFixture {
  url: string;
  /** Direct access, beside the store. */
  sql: postgres.Sql;
  database: Database;
  store: Store;
  /** A new user's id. */
  user(name?: string): Promise<CanonicalId>;
  match(): Promise<CanonicalId>;
  /** A new conversation's id. */
  conversation(participantIds: CanonicalId[]): Promise<CanonicalId>;
  /** Stores messages and returns their seqs. */
  post(conversationId: string, senderId: string, count?: number): Promise<number[]>;
  /** The stored statuses in the order of seq. */
  statuses(conversationId: string): Promise<(string | null)[]>;
  close(): Promise<void>;
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A Database as the service makes one, with generous deadlines. */
export function openDatabase(url: string, poolMax = 4, epochs?: Epochs): Database {
  return createDatabase({
    url,
    poolMax,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: 30_000,
    statementTimeoutMs: 30_000,
    connectTimeoutMs: 10_000,
    idleInTransactionTimeoutMs: 30_000,
    applicationName: 'messaging-test',
    ...(epochs === undefined ? {} : { epochs }),
    log: silent,
  });
}

export function openStore(database: Database, limits: Partial<StoreDeps['limits']> = {}): Store {
  const append = () => Promise.reject(new Error('These tests have no writer'));
  return createStore({ database, writer: { append }, limits: { ...STORE_LIMITS, ...limits } });
}

export async function createStoreFixture(): Promise<StoreFixture> {
  const { url, sql, drop } = await createTestDatabase();
  const database = openDatabase(url);
  const store = openStore(database);

  async function user(name = 'someone'): Promise<CanonicalId> {
    const id = newId();
    await sql`INSERT INTO auth.users (id, name) VALUES (${id}, ${name})`;
    return id;
  }

  async function match(): Promise<CanonicalId> {
    const id = newId();
    await sql`INSERT INTO requests.matches (id) VALUES (${id})`;
    return id;
  }

  async function conversation(participantIds: CanonicalId[]): Promise<CanonicalId> {
    const id = newId();
    const made = await store.createConversation({
      id,
      requestMatchId: null,
      participantIds,
      key: null,
    });
    if (made.outcome !== 'created') throw new Error(`Not created: ${made.outcome}`);
    return id;
  }

  async function post(conversationId: string, senderId: string, count = 1): Promise<number[]> {
    return sql.begin(async (transaction) => {
      const [row] = await transaction<{ last_seq: string }[]>`
        SELECT last_seq FROM messaging.conversations WHERE id = ${conversationId} FOR NO KEY UPDATE`;
      const first = Number(row?.last_seq) + 1;
      await transaction`
        INSERT INTO messaging.messages (sender_id, conversation_id, content, seq)
        SELECT ${senderId}::uuid, ${conversationId}::uuid, 'message ' || n, n
        FROM generate_series(${first}::bigint, ${first + count - 1}::bigint) n`;
      await transaction`
        UPDATE messaging.conversations
        SET last_seq = last_seq + ${count}::int,
          last_message_at = date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
        WHERE id = ${conversationId}`;
      return Array.from({ length: count }, (_, index) => first + index);
    });
  }

  async function statuses(conversationId: string): Promise<(string | null)[]> {
    const rows = await sql<{ status: string | null }[]>`
      SELECT status FROM messaging.messages WHERE conversation_id = ${conversationId} ORDER BY seq`;
    return rows.map(({ status }) => status);
  }

  async function close(): Promise<void> {
    await database.close(1_000);
    await drop();
  }

  return { url, sql, database, store, user, match, conversation, post, statuses, close };
}

/** A UUID that stands for nothing. */
export const nobody = foldId('99999999-9999-4999-8999-999999999999');
