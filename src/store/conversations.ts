/**
 * Making conversations. Concurrent creators for one match, on any number of nodes, end with one
 * conversation: each first takes a lock on the match id that lasts until its transaction ends. The
 * lock is an advisory one because the matches belong to another service, whose rows we only read;
 * it also keeps new conversations single where older data already holds several for a match and no
 * unique index can.
 */

import { MAX_PAIR_ATTEMPTS } from '../bounds/store.ts';
import type { CreateOutcome, CreateRequest, CreationKey } from '../chat/ports.ts';
import type { Conversation, Person } from '../chat/schemas.ts';
import { type CanonicalId, NIL_UUID } from '../shared/ids.ts';
import {
  type EarlierCreation,
  keepKey,
  lockKey,
  nameOfKey,
  selectEarlier,
} from './client-conversations.ts';
import type { Database, Sql, TransactionSql } from './database.ts';
import { isServerError } from './link.ts';

interface ConversationRow {
  id: CanonicalId;
  request_match_id: CanonicalId | null;
  last_message_at: string | null;
  created_at: string;
  last_seq: number;
  /** null when nobody is left in it. */
  participants: Person[] | null;
}

const FOREIGN_KEY_VIOLATION = '23503';
const UNIQUE_VIOLATION = '23505';

/** Creates the conversation, or finds the one its match already has. */
export async function createConversation(
  database: Database,
  request: CreateRequest,
): Promise<CreateOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await database.transaction(
        (sql) => create(sql, request),
        request.key === null
          ? `match ${request.requestMatchId ?? request.id}`
          : nameOfKey(request.key),
      );
    } catch (error) {
      if (!isServerError(error)) throw error;
      // Deleted by its owner after we had looked.
      if (error.code === FOREIGN_KEY_VIOLATION && error.table_name !== 'client_conversations') {
        const field = error.table_name === 'conversations' ? 'request_match_id' : 'participant_ids';
        return { outcome: 'unknown_reference', field };
      }
      // Else a rival won, or the conversation that the match had is deleted: the next attempt sees it.
      const hasPassed = error.code === UNIQUE_VIOLATION || error.code === FOREIGN_KEY_VIOLATION;
      if (!hasPassed || attempt === MAX_PAIR_ATTEMPTS) throw error;
    }
  }
}

/** The conversation with its participants; null when there is none. */
export async function readConversation(
  database: Database,
  id: CanonicalId,
): Promise<Conversation | null> {
  const [row] = await database.query((sql) => selectExisting(sql, id, null));
  return row === undefined ? null : toConversation(row);
}

async function create(sql: TransactionSql, request: CreateRequest): Promise<CreateOutcome> {
  const { id, requestMatchId, participantIds, key } = request;
  const [, [earlier], , [known], existing] = await Promise.all([
    // Always before the match, so that two creators cannot wait for each other.
    key === null ? null : lockKey(sql, key),
    key === null ? [] : selectEarlier(sql, key, request),
    requestMatchId === null ? null : lockMatch(sql, requestMatchId),
    // Statements after the lock: each sees what the holder before us had committed.
    countKnown(sql, request),
    selectExisting(sql, id, requestMatchId),
  ]);
  if (earlier !== undefined && earlier.conversation_id !== id) return again(sql, earlier, key);
  if (known === undefined || !known.match) {
    return { outcome: 'unknown_reference', field: 'request_match_id' };
  }
  if (known.users < participantIds.length) {
    return { outcome: 'unknown_reference', field: 'participant_ids' };
  }
  // Ours already: the reply to an earlier attempt's COMMIT was lost.
  const own = existing.find((row) => row.id === id);
  if (own !== undefined) return { outcome: 'created', conversation: toConversation(own) };
  const [oldest] = existing;
  if (oldest !== undefined) {
    const same = existing.find((row) => hasExactly(row, participantIds));
    if (same === undefined) return { outcome: 'conversation_exists', conversationId: oldest.id };
    if (key !== null) await keepKey(sql, key, request, same.id);
    return { outcome: 'existing', conversation: toConversation(same) };
  }
  const [, , , [created]] = await Promise.all([
    sql`
      INSERT INTO messaging.conversations (id, request_match_id, created_at)
      VALUES (${id}::uuid, ${requestMatchId}::uuid,
        date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC'))`,
    // In order: concurrent inserters lock the users' rows the same way round.
    sql`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      SELECT ${id}::uuid, x FROM unnest(${[...participantIds].sort()}::uuid[]) AS x`,
    key === null ? null : keepKey(sql, key, request, id),
    selectExisting(sql, id, null),
  ]);
  if (created === undefined) throw new Error('A conversation vanished in its own transaction');
  return { outcome: 'created', conversation: toConversation(created) };
}

/** What the creator is told who has used the key before. */
async function again(
  sql: Sql,
  { conversation_id, same, takes_part }: EarlierCreation,
  key: CreationKey | null,
): Promise<CreateOutcome> {
  if (key?.creatorId !== NIL_UUID && !takes_part) return { outcome: 'not_a_participant' };
  if (!same) return { outcome: 'idempotency_conflict' };
  const [row] = await selectExisting(sql, conversation_id, null);
  if (row === undefined) throw new Error('A key outlived its conversation');
  return { outcome: 'existing', conversation: toConversation(row) };
}

function lockMatch(sql: Sql, matchId: CanonicalId) {
  return sql`
    SELECT pg_advisory_xact_lock(hashtextextended('messaging.match ' || ${matchId}::uuid, 0))`;
}

function countKnown(sql: Sql, { requestMatchId, participantIds }: CreateRequest) {
  return sql<{ users: number; match: boolean }[]>`
    SELECT (SELECT count(*) FROM auth.users WHERE id = ANY(${participantIds}::uuid[])) AS users,
      ${requestMatchId}::uuid IS NULL
        OR EXISTS (SELECT FROM requests.matches WHERE id = ${requestMatchId}::uuid) AS match`;
}

/** The conversation of this id and those of this match, oldest first. */
function selectExisting(sql: Sql, id: CanonicalId, matchId: CanonicalId | null) {
  return sql<ConversationRow[]>`
    SELECT c.id, c.request_match_id, c.last_message_at,
      coalesce(c.created_at, 'epoch'::timestamp) AS created_at, c.last_seq,
      (
        SELECT json_agg(json_build_object('id', p.participant_id, 'name', u.name)
          ORDER BY p.participant_id)
        FROM messaging.conversation_participants p LEFT JOIN auth.users u ON u.id = p.participant_id
        WHERE p.conversation_id = c.id
      ) AS participants
    FROM messaging.conversations c
    WHERE c.id = ${id}::uuid
      OR (c.request_match_id IS NOT NULL AND c.request_match_id = ${matchId}::uuid)
    ORDER BY c.created_at NULLS FIRST, c.id`;
}

function hasExactly(row: ConversationRow, participantIds: readonly CanonicalId[]): boolean {
  const present = new Set(row.participants?.map(({ id }) => id));
  return present.size === participantIds.length && participantIds.every((id) => present.has(id));
}

function toConversation(row: ConversationRow): Conversation {
  return { ...row, participants: row.participants ?? [] };
}
