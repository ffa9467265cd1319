/**
 * The creators' own keys for conversations (sql/0015). Concurrent creators with one key, on any number of
 * nodes, end with one conversation: each first takes a lock on the key that lasts until its transaction ends.
 */
import { createHash } from 'node:crypto';
import type { CreateRequest, CreationKey } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Sql } from './database.ts';

/** The creation for which the key was used. */
export interface EarlierCreation {
  conversation_id: CanonicalId;
  /** Whether the same was asked for. */
  same: boolean;
  /** Whether the creator takes part now; a service need not. */
  takes_part: boolean;
}

/** Names the key among all advisory locks and turns. */
export function nameOfKey({ creatorId, clientConversationId }: CreationKey): string {
  return `client conversation ${creatorId} ${clientConversationId}`;
}

/** Resolves when this transaction is the only one that creates with the key. */
export function lockKey(sql: Sql, key: CreationKey) {
  return sql`
    SELECT pg_advisory_xact_lock(hashtextextended('messaging.' || ${nameOfKey(key)}::text, 0))`;
}

/** What the key was used for; no row: for nothing yet. */
export function selectEarlier(sql: Sql, key: CreationKey, request: CreateRequest) {
  return sql<EarlierCreation[]>`
    SELECT k.conversation_id, k.body_digest = decode(${digestOf(request)}, 'hex') AS same,
      EXISTS (
        SELECT FROM messaging.conversation_participants p
        WHERE p.conversation_id = k.conversation_id AND p.participant_id = k.creator_id
      ) AS takes_part
    FROM messaging.client_conversations k
    WHERE k.creator_id = ${key.creatorId}::uuid
      AND k.client_conversation_id = ${key.clientConversationId}`;
}

/** From now on the key stands for this conversation. */
export function keepKey(
  sql: Sql,
  key: CreationKey,
  request: CreateRequest,
  conversationId: CanonicalId,
) {
  return sql`
    INSERT INTO messaging.client_conversations
      (creator_id, client_conversation_id, conversation_id, body_digest)
    VALUES (${key.creatorId}::uuid, ${key.clientConversationId}, ${conversationId}::uuid,
      decode(${digestOf(request)}, 'hex'))`;
}

/** Stored for ever: what it is made of cannot change, only be added to where it was absent. */
function digestOf({ requestMatchId, participantIds }: CreateRequest): string {
  const body = [requestMatchId ?? '', ...[...participantIds].sort()].join(' ');
  return createHash('sha256').update(body).digest('hex');
}
