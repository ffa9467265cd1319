// People, conversations and drafts for the tests of the write path.

import type postgres from 'postgres';
import { MAX_WAITING_CALLS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import type { AppendOutcome, MessageDraft } from '../../src/chat/ports.ts';
import type { Message, MessageType } from '../../src/chat/schemas.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { isStorable, type StorableText } from '../../src/shared/storable-text.ts';
import { createDatabase, type Database, type DatabaseDeps } from '../../src/store/database.ts';
import type { WriterDeps } from '../../src/store/writer.ts';
import { createWriter, type Writer } from '../../src/store/writer.ts';
import type { WriterLimits } from '../../src/store/writer-limits.ts';

const silentLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A Database for tests: few connections, deadlines a slow machine can keep. */
export function openDatabase(url: string, options: Partial<DatabaseDeps> = {}): Database {
  return createDatabase({
    url,
    poolMax: 2,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: 10_000,
    statementTimeoutMs: 30_000,
    connectTimeoutMs: 10_000,
    idleInTransactionTimeoutMs: 30_000,
    applicationName: 'messaging-test',
    log: silentLog,
    ...options,
  });
}

export interface Node {
  database: Database;
  writer: Writer;
}

/** A writer with its own connections, as another node would have. */
export function openNode(
  url: string,
  limits: Partial<WriterLimits> = {},
  deps: Partial<WriterDeps> = {},
): Node {
  const database = openDatabase(url);
  const writer = createWriter({
    database,
    limits: { ...WRITER_LIMITS, sendDeadlineMs: 15_000, ...limits },
    log: silentLog,
    ...deps,
  });
  return { database, writer };
}

export interface Room {
  id: CanonicalId;
  members: CanonicalId[];
}

/** A conversation of `size` new users called `User 0`, `User 1` … */
export async function newRoom(sql: postgres.Sql, size = 2): Promise<Room> {
  const id = newId();
  const members = Array.from({ length: size }, () => newId());
  const users = members.map((user, index) => ({ id: user, name: `User ${index}` }));
  await sql`INSERT INTO auth.users ${sql(users)}`;
  await sql`INSERT INTO messaging.conversations (id) VALUES (${id})`;
  const rows = members.map((participant_id) => ({ conversation_id: id, participant_id }));
  await sql`INSERT INTO messaging.conversation_participants ${sql(rows)}`;
  return { id, members };
}

/** What a draft of a test says, in plain text. */
export interface DraftChange {
  id?: CanonicalId;
  conversationId?: CanonicalId;
  senderId?: CanonicalId | undefined;
  content?: string;
  messageType?: MessageType;
  mediaUrl?: string | null;
  clientMessageId?: string | null;
}

/** A draft by the room's first member. */
export function draft(room: Room, change: DraftChange = {}): MessageDraft {
  const { mediaUrl = null, clientMessageId = null } = change;
  return {
    id: change.id ?? newId(),
    conversationId: change.conversationId ?? room.id,
    senderId: change.senderId ?? room.members[0] ?? newId(),
    content: storable(change.content ?? 'Hello'),
    messageType: change.messageType ?? 'text',
    mediaUrl: mediaUrl === null ? null : storable(mediaUrl),
    clientMessageId: clientMessageId === null ? null : storable(clientMessageId),
  };
}

/** What the rules make of `text`. */
export function storable(text: string): StorableText {
  if (!isStorable(text)) throw new Error('A draft holds storable text');
  return text;
}

/** The message of an outcome that must be `stored`. */
export function stored(outcome: AppendOutcome): Message {
  if (outcome.outcome !== 'stored') throw new Error(`Not stored: ${outcome.outcome}`);
  return outcome.message;
}

export interface StoredRow {
  id: CanonicalId;
  seq: number;
  content: string;
}

/** What the table holds of a conversation, in order. */
export async function rowsOf(sql: postgres.Sql, room: Room): Promise<StoredRow[]> {
  return await sql<StoredRow[]>`
    SELECT id, seq::int AS seq, content FROM messaging.messages
    WHERE conversation_id = ${room.id} ORDER BY seq`;
}

/** 1, 2, 3 … `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
