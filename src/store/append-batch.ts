/**
 * One transaction for many messages, in two round trips: lock and look, then write and commit.
 *
 * Guarantees: seqs of a conversation continue its last one without a gap, in the order of the
 * drafts; membership and client_message_ids are judged after the conversations are locked, so a
 * removal or a rival's message is either seen or waits for us; what somebody else has locked is left
 * out and holds up nothing; outcomes are returned after COMMIT.
 */
import type { MessageDraft } from '../chat/ports.ts';
import { type DraftOutcome, type Pair, pairKey, planBatch, type View } from './append-plan.ts';
import {
  forgetPlans,
  lockConversations,
  readByIds,
  readKeyed,
  readSenders,
  type SenderRow,
  writeMessages,
} from './append-statements.ts';
import type { Sql } from './link.ts';
import type { MessageRow } from './rows.ts';
import type { SenderCache } from './sender-cache.ts';

export interface Attempt {
  /** An earlier attempt may have been committed: look the drafts' own ids up first. */
  mayBeStored: boolean;
  /** Whether the tables may have grown much since the statements were planned. */
  plansAreOld: boolean;
  /** Senders known from earlier batches. */
  senders: SenderCache;
  /** Whether locked conversations are waited for, each for LOCK_WAIT_MS at most. */
  waits: boolean;
  /** Whether somebody still waits for draft `index`; asked before anything is written. */
  isWanted(index: number): boolean;
  /** Called when the statements that could store these drafts are about to be sent. */
  onCommitting(indexes: readonly number[]): void;
}

/**
 * Stores the drafts in their order. Outcome `i` belongs to draft `i`; it is missing when nobody
 * wanted the draft any more, and LOCKED when its conversation could not be had: then it was not
 * written.
 * Rejects with what PostgreSQL says when one row can not be stored, or waits for a lock: then none is.
 */
export async function appendBatch(
  sql: Sql,
  drafts: readonly MessageDraft[],
  attempt: Attempt,
): Promise<DraftOutcome[]> {
  const plan = planBatch(drafts, await look(sql, drafts, attempt), attempt);
  if (plan.messages.length === 0) {
    // Not COMMIT: after a row lock it waits for the disk, and a refusal would tell by its time
    // whether there was a conversation to lock.
    await sql.unsafe('ROLLBACK');
    return plan.outcomes;
  }
  attempt.onCommitting(plan.written);
  const [, ended] = await Promise.all([
    writeMessages(sql, plan.messages, plan.heads).execute(),
    sql.unsafe('COMMIT').execute(),
  ]);
  // A COMMIT that undoes is answered with another word, not with an error.
  if (ended.command !== 'COMMIT') throw new Error(`COMMIT was answered with ${ended.command}`);
  return plan.outcomes;
}

async function look(sql: Sql, drafts: readonly MessageDraft[], attempt: Attempt): Promise<View> {
  const conversationIds = new Set<string>();
  const distinct = new Map<string, Pair>();
  const pairs = drafts.map(({ conversationId, senderId }) => {
    conversationIds.add(conversationId);
    const key = pairKey(conversationId, senderId);
    let pair = distinct.get(key);
    if (pair === undefined) {
      const known = attempt.senders.get(key);
      pair = {
        key,
        conversationId,
        senderId,
        known,
        exists: known !== undefined,
        name: known?.name,
      };
      distinct.set(key, pair);
    }
    return pair;
  });
  const strangers = [...distinct.values()].filter((pair) => pair.known === undefined);
  const keyed = drafts.filter((draft) => draft.clientMessageId !== null);
  const none: Promise<MessageRow[]> = Promise.resolve([]);
  const [, , heads, strangersFound, keyedRows, ownRows] = await Promise.all([
    // execute() sends now: a query of postgres.js that is merely awaited is sent a little later, and
    // what follows must not overtake the lock.
    attempt.plansAreOld ? forgetPlans(sql).execute() : undefined,
    sql.unsafe('BEGIN ISOLATION LEVEL READ COMMITTED').execute(),
    lockConversations(sql, [...conversationIds], attempt.waits).execute(),
    readPairs(sql, strangers),
    keyed.length > 0 ? readKeyed(sql, keyed) : none,
    attempt.mayBeStored
      ? readByIds(
          sql,
          drafts.map((draft) => draft.id),
        )
      : none,
  ]);
  // Known under another version of the members, or of a conversation that could not be locked: that
  // says nothing. One more round trip, rarely.
  const versions = new Map(heads.map((head) => [head.id, head.members_version]));
  const stale = [...distinct.values()].filter(
    ({ known, conversationId }) =>
      known !== undefined && known.membersVersion !== versions.get(conversationId),
  );
  for (const [pair, { exists, member, name }] of [
    ...strangersFound,
    ...(await readPairs(sql, stale)),
  ]) {
    pair.exists = exists;
    pair.name = member ? name : undefined;
    const membersVersion = versions.get(pair.conversationId);
    if (member && membersVersion !== undefined) {
      attempt.senders.put(pair.key, { membersVersion, name });
    }
  }
  return { heads, pairs, keyed: keyedRows, own: ownRows };
}

/** The pairs with what is known of them. */
async function readPairs(sql: Sql, pairs: readonly Pair[]): Promise<[Pair, SenderRow][]> {
  if (pairs.length === 0) return [];
  const rows = await readSenders(
    sql,
    pairs.map((pair) => pair.conversationId),
    pairs.map((pair) => pair.senderId),
  );
  const found: [Pair, SenderRow][] = [];
  for (const row of rows) {
    const pair = pairs[row.place - 1];
    if (pair !== undefined) found.push([pair, row]);
  }
  return found;
}
