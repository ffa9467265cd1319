/**
 * Who takes part. Every change happens under the conversation's row lock, which the writer holds as
 * well: a message is committed either before a removal or after it, never across. With the change
 * `members_version` grows (a trigger sees to it, whoever makes the change), so that a node sees from
 * any message whether its view of the members is still the right one. What allows a change is read
 * in the same transaction.
 */
import { MAX_STATUS_SPAN } from '../bounds/store.ts';
import type { AddRequest, MembershipOutcome, RemoveRequest } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Database, Sql } from './database.ts';
import { isServerError } from './link.ts';
import { RowLocked } from './lock-waits.ts';
import { advanceInSteps, advanceStatuses, lockConversation, type Span } from './statuses.ts';
import { type Attempt, Unchanged } from './transaction.ts';

/** A membership change and the statuses that remain to be completed after it. */
interface Change {
  outcome: MembershipOutcome;
  remaining?: Span;
}

type Attempted = Change | Unchanged<Change>;

const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Adds a participant. Their cursors start at the last message: what came before them can be read
 * but is not unread, and no message waits for them to read it.
 */
export async function addParticipant(
  database: Database,
  request: AddRequest,
): Promise<MembershipOutcome> {
  try {
    const change = await database.transaction<Change>(
      (sql, attempt) => add(sql, request, attempt),
      request.conversationId,
    );
    return await settle(database, change);
  } catch (error) {
    // The user was deleted after we had looked.
    if (isForeignKeyViolation(error)) return { outcome: 'unknown_reference' };
    throw error;
  }
}

async function add(sql: Sql, request: AddRequest, attempt: Attempt): Promise<Attempted> {
  const { conversationId, userId, addedBy, maxParticipants } = request;
  const [[conversation], [state]] = await Promise.all([
    lockConversation(sql, conversationId, attempt.waits),
    sql<
      {
        exists: boolean;
        participants: number;
        present: boolean;
        allowed: boolean;
        known: boolean;
      }[]
    >`
      SELECT EXISTS (SELECT FROM messaging.conversations WHERE id = ${conversationId}::uuid) AS exists,
        count(*) AS participants,
        coalesce(bool_or(participant_id = ${userId}::uuid), false) AS present,
        ${addedBy}::uuid IS NULL
          OR coalesce(bool_or(participant_id = ${addedBy}::uuid), false) AS allowed,
        EXISTS (SELECT FROM auth.users WHERE id = ${userId}::uuid) AS known
      FROM messaging.conversation_participants WHERE conversation_id = ${conversationId}::uuid`,
  ]);
  if (state === undefined) throw new Error('An aggregate without GROUP BY gives one row');
  if (!state.exists) return refused('no_conversation');
  // True of this moment, whoever holds the lock; a wait would tell that there is something to lock.
  if (!state.allowed) return refused('not_a_participant');
  if (conversation === undefined) throw new RowLocked();
  if (state.present) return untouched(sql, conversation, attempt);
  if (!state.known) return refused('unknown_reference');
  if (state.participants >= maxParticipants) return refused('too_many');
  const lastSeq = conversation.last_seq;
  // Nobody waited for the messages of someone who was alone. Now there is somebody, and they have
  // passed them. With others there already, a cursor at the end changes no message.
  const wasAlone = state.participants <= 1;
  // execute() sends it now; awaited only, it would go after the statements recordChange awaits.
  const insert = sql`
    INSERT INTO messaging.conversation_participants
      (conversation_id, participant_id, last_read_seq, last_delivered_seq)
    VALUES (${conversationId}::uuid, ${userId}::uuid, ${lastSeq}::bigint, ${lastSeq}::bigint)`.execute();
  const [, changed] = await Promise.all([
    insert,
    recordChange(sql, { conversationId, fromSeq: wasAlone ? 0 : lastSeq, toSeq: lastSeq }),
  ]);
  return changed;
}

/** Removes a participant; messages that waited for nobody else become read or delivered. */
export async function removeParticipant(
  database: Database,
  request: RemoveRequest,
): Promise<MembershipOutcome> {
  const change = await database.transaction<Change>(
    (sql, attempt) => remove(sql, request, attempt),
    request.conversationId,
  );
  return settle(database, change);
}

async function remove(sql: Sql, request: RemoveRequest, attempt: Attempt): Promise<Attempted> {
  const { conversationId, userId } = request;
  const [[conversation], [state]] = await Promise.all([
    lockConversation(sql, conversationId, attempt.waits),
    sql<{ id: string; members_version: number; last_read_seq: number | null }[]>`
      SELECT c.id, c.members_version, p.last_read_seq FROM messaging.conversations c
      LEFT JOIN messaging.conversation_participants p
        ON p.conversation_id = c.id AND p.participant_id = ${userId}::uuid
      WHERE c.id = ${conversationId}::uuid`,
  ]);
  if (state === undefined) return refused('no_conversation');
  const present = state.last_read_seq !== null;
  if (!present && !attempt.mayBeDone) return untouched(sql, state, attempt);
  if (conversation === undefined) throw new RowLocked();
  if (!present) return untouched(sql, conversation, attempt);
  // execute() sends it now; awaited only, it would go after the statements recordChange awaits.
  const deletion = sql`
    DELETE FROM messaging.conversation_participants
    WHERE conversation_id = ${conversationId}::uuid AND participant_id = ${userId}::uuid`.execute();
  const [, changed] = await Promise.all([
    deletion,
    recordChange(sql, {
      conversationId,
      fromSeq: state.last_read_seq ?? 0,
      toSeq: conversation.last_seq,
    }),
  ]);
  return changed;
}

/** Reads the new version and completes the first statuses of `waiting`, in one round trip. */
async function recordChange(sql: Sql, waiting: Span): Promise<Change> {
  const { conversationId, fromSeq } = waiting;
  const toSeq = Math.min(waiting.toSeq, fromSeq + MAX_STATUS_SPAN);
  const [[conversation]] = await Promise.all([
    sql<{ members_version: number }[]>`
      SELECT members_version FROM messaging.conversations WHERE id = ${conversationId}::uuid`,
    toSeq > fromSeq ? advanceStatuses(sql, { conversationId, fromSeq, toSeq }) : null,
  ]);
  if (conversation === undefined) throw new Error('A locked conversation vanished');
  return {
    outcome: { outcome: 'changed', membersVersion: conversation.members_version },
    remaining: { ...waiting, fromSeq: toSeq },
  };
}

/** Completes, after COMMIT, a long rest of statuses without holding up the conversation; gives the outcome. */
async function settle(database: Database, { outcome, remaining }: Change) {
  if (remaining !== undefined) await advanceInSteps(database, remaining);
  return outcome;
}

function refused(
  outcome: Exclude<MembershipOutcome['outcome'], 'changed' | 'unchanged'>,
): Unchanged<Change> {
  return new Unchanged({ outcome: { outcome } });
}

/**
 * What to answer where there is nothing to change. An earlier attempt may have made the change and lost
 * the reply. Under which version is not known any more, and the present one may be of somebody else's
 * change, which must not pass for this one: then this one gets a version of its own.
 */
async function untouched(
  sql: Sql,
  conversation: { id: string; members_version: number },
  { mayBeDone }: Attempt,
): Promise<Attempted> {
  const { id, members_version: membersVersion } = conversation;
  if (!mayBeDone) return new Unchanged({ outcome: { outcome: 'unchanged', membersVersion } });
  await sql`
    UPDATE messaging.conversations SET members_version = members_version + 1
    WHERE id = ${id}::uuid`;
  return { outcome: { outcome: 'changed', membersVersion: membersVersion + 1 } };
}

function isForeignKeyViolation(error: unknown): boolean {
  return isServerError(error) && error.code === FOREIGN_KEY_VIOLATION;
}

/** How many people take part, for one of them; 0 for everybody else, who must not learn that. */
export async function countParticipants(
  database: Database,
  conversationId: CanonicalId,
  viewerId: CanonicalId,
): Promise<number> {
  const [row] = await database.query(
    (sql) => sql<{ participants: number }[]>`
      SELECT count(*) FILTER (WHERE EXISTS (
        SELECT FROM messaging.conversation_participants
        WHERE conversation_id = ${conversationId}::uuid AND participant_id = ${viewerId}::uuid
      )) AS participants
      FROM messaging.conversation_participants WHERE conversation_id = ${conversationId}::uuid`,
  );
  if (row === undefined) throw new Error('An aggregate without GROUP BY gives one row');
  return row.participants;
}
