/**
 * One transaction for many messages, in two round trips: lock and look, then write and commit.
 *
 * Guarantees: seqs of a conversation continue its last one without a gap, in the order of the
 * drafts; membership and client_message_ids are judged after the conversations are locked, so a
 * removal or a rival's message is either seen or waits for us; outcomes are returned after COMMIT.
 */
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import {
  type ConversationHeadRow,
  forgetPlans,
  lockConversations,
  type NewHead,
  readByIds,
  readKeyed,
  readSenders,
  writeMessages,
} from './append-statements.ts';
import type { Sql } from './link.ts';
import { nextMessageTime } from './message-time.ts';
import { type MessageRow, toMessage } from './rows.ts';
import type { CachedSender, SenderCache } from './sender-cache.ts';

export interface Attempt {
  /** An earlier attempt may have been committed: look the drafts' own ids up first. */
  mayBeStored: boolean;
  /** Whether the tables may have grown much since the statements were planned. */
  plansAreOld: boolean;
  /** Senders known from earlier batches. */
  senders: SenderCache;
  /** Whether somebody still waits for draft `index`; asked before anything is written. */
  isWanted(index: number): boolean;
  /** Called when the statements that could make it so are about to be sent. */
  onCommitting: () => void;
}

/**
 * Stores the drafts in their order. Outcome `i` belongs to draft `i`; it is missing when nobody
 * wanted the draft any more, and then it was not written. Ids must be lower case.
 * Rejects with what PostgreSQL says when one row can not be stored: then none is.
 */
export async function appendBatch(
  sql: Sql,
  drafts: readonly MessageDraft[],
  attempt: Attempt,
): Promise<(AppendOutcome | undefined)[]> {
  const plan = planBatch(drafts, await look(sql, drafts, attempt), attempt);
  if (plan.messages.length === 0) {
    // Not COMMIT: after a row lock it waits for the disk, and a refusal would tell by its time
    // whether there was a conversation to lock.
    await sql.unsafe('ROLLBACK');
    return plan.outcomes;
  }
  attempt.onCommitting();
  const [, ended] = await Promise.all([
    writeMessages(sql, plan.messages, plan.heads).execute(),
    sql.unsafe('COMMIT').execute(),
  ]);
  // A COMMIT that undoes is answered with another word, not with an error.
  if (ended.command !== 'COMMIT') throw new Error(`COMMIT was answered with ${ended.command}`);
  return plan.outcomes;
}

/** What the database says about a batch, read under the conversations' locks. */
interface View {
  heads: readonly ConversationHeadRow[];
  /** The sender of each draft, in their order. */
  pairs: readonly Pair[];
  /** Messages stored earlier: under the same client_message_id, or (a repeat) the same id. */
  keyed: readonly MessageRow[];
  own: readonly MessageRow[];
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
      pair = { key, conversationId, senderId, known, name: known?.name };
      distinct.set(key, pair);
    }
    return pair;
  });
  const strangers = [...distinct.values()].filter((pair) => pair.known === undefined);
  const keyed = drafts.filter((draft) => draft.clientMessageId !== null);
  const none: Promise<MessageRow[]> = Promise.resolve([]);
  const [, , heads, strangerNames, keyedRows, ownRows] = await Promise.all([
    // execute() sends now: a query of postgres.js that is merely awaited is sent a little later, and
    // what follows must not overtake the lock.
    attempt.plansAreOld ? forgetPlans(sql).execute() : undefined,
    sql.unsafe('BEGIN ISOLATION LEVEL READ COMMITTED').execute(),
    lockConversations(sql, [...conversationIds]).execute(),
    readNames(sql, strangers),
    keyed.length > 0 ? readKeyed(sql, keyed) : none,
    attempt.mayBeStored
      ? readByIds(
          sql,
          drafts.map((draft) => draft.id),
        )
      : none,
  ]);
  // Known under another version of the members: that says nothing. One more round trip, rarely.
  const versions = new Map(heads.map((head) => [head.id, head.members_version]));
  const stale = [...distinct.values()].filter(
    ({ known, conversationId }) =>
      known !== undefined && known.membersVersion !== versions.get(conversationId),
  );
  for (const pair of stale) pair.name = undefined;
  const fresh = [...strangerNames, ...(await readNames(sql, stale))];
  for (const [pair, name] of fresh) {
    pair.name = name;
    const membersVersion = versions.get(pair.conversationId);
    if (membersVersion !== undefined) attempt.senders.put(pair.key, { membersVersion, name });
  }
  return { heads, pairs, keyed: keyedRows, own: ownRows };
}

/** A sender in a conversation. */
interface Pair {
  key: string;
  conversationId: string;
  senderId: string;
  known: CachedSender | undefined;
  /** The sender's; undefined when it does not take part. */
  name: string | null | undefined;
}

/** Those of the pairs that are participations, with the sender's name. */
async function readNames(sql: Sql, pairs: readonly Pair[]): Promise<[Pair, string | null][]> {
  if (pairs.length === 0) return [];
  const rows = await readSenders(
    sql,
    pairs.map((pair) => pair.conversationId),
    pairs.map((pair) => pair.senderId),
  );
  const found: [Pair, string | null][] = [];
  for (const { place, name } of rows) {
    const pair = pairs[place - 1];
    if (pair !== undefined) found.push([pair, name]);
  }
  return found;
}

interface Plan {
  outcomes: (AppendOutcome | undefined)[];
  messages: Message[];
  heads: NewHead[];
}

/** Decides about every draft and gives the new messages their places. Pure. */
function planBatch(drafts: readonly MessageDraft[], view: View, attempt: Attempt): Plan {
  const heads = new Map(view.heads.map((row) => [row.id, toHead(row)]));
  const byId = new Map(view.own.map((row) => [row.id, row]));
  const byKey = new Map<string, Message>();
  for (const row of view.keyed) {
    const key = pairKey(row.conversation_id, row.sender_id) + row.client_message_id;
    byKey.set(key, toMessage(row));
  }
  const messages: Message[] = [];

  function decide(draft: MessageDraft, index: number): AppendOutcome | undefined {
    if (!attempt.isWanted(index)) return undefined;
    const head = heads.get(draft.conversationId);
    if (head === undefined) return { outcome: 'no_conversation' };
    const { membersVersion } = head;
    const own = byId.get(draft.id);
    if (own !== undefined) return { outcome: 'stored', message: toMessage(own), membersVersion };
    const pair = view.pairs[index];
    if (pair?.name === undefined) return { outcome: 'not_a_participant' };
    const key = draft.clientMessageId === null ? null : pair.key + draft.clientMessageId;
    const first = key === null ? undefined : byKey.get(key);
    if (first !== undefined) {
      if (!saysTheSame(draft, first)) return { outcome: 'idempotency_conflict' };
      return { outcome: 'duplicate', message: first };
    }
    head.lastSeq += 1;
    const message = newMessage(draft, head, pair.name);
    messages.push(message);
    if (key !== null) byKey.set(key, message);
    return { outcome: 'stored', message, membersVersion };
  }

  const outcomes = drafts.map(decide);
  const touched = [...heads.values()].filter((head) => head.lastSeq > head.firstSeq);
  return { outcomes, messages, heads: touched };
}

interface Head extends NewHead {
  firstSeq: number;
  membersVersion: number;
}

function toHead(row: ConversationHeadRow): Head {
  return {
    conversationId: row.id,
    ctid: row.ctid,
    firstSeq: row.last_seq,
    lastSeq: row.last_seq,
    lastMessageAt: nextMessageTime(row.last_message_at, row.now),
    membersVersion: row.members_version,
  };
}

function newMessage(draft: MessageDraft, head: Head, senderName: string | null): Message {
  return {
    id: draft.id,
    conversation_id: draft.conversationId,
    seq: head.lastSeq,
    sender_id: draft.senderId,
    sender_name: senderName,
    content: draft.content,
    message_type: draft.messageType,
    media_url: draft.mediaUrl,
    client_message_id: draft.clientMessageId,
    status: 'sent',
    created_at: head.lastMessageAt,
  };
}

function saysTheSame(draft: MessageDraft, message: Message): boolean {
  return (
    draft.content === message.content &&
    draft.messageType === message.message_type &&
    draft.mediaUrl === message.media_url
  );
}

// UUIDs have one length, so two of them side by side are unambiguous, and so is a key after them.
function pairKey(conversationId: string, senderId: string): string {
  return conversationId + senderId;
}
