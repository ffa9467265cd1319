/**
 * Sees a batch through to an outcome for every ticket: again after what passes by itself, in halves
 * when one row cannot be stored, by looking the messages up when nobody knows whether a commit
 * happened. What waits for somebody else's lock is handed back, not waited for.
 *
 * Guarantees: nobody is told an outcome that is not known; a message is never stored twice; when a
 * caller has given up, only a COMMIT already on its way can still store the message; the order
 * within a conversation survives retries and halving, and when a ticket is handed back, so is
 * whatever follows it in its conversation.
 */
import { CLOCKS_DIFFER_MS } from '../bounds/store.ts';
import { ChatError } from '../chat/errors.ts';
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import { appendBatch, type DraftOutcome, LATE, LOCKED } from './append-batch.ts';
import type { Ticket } from './append-queue.ts';
import type { AppendSessions } from './append-session.ts';
import type { Lane, Log } from './database.ts';
import { DatabaseUnavailable, isServerError, type UnavailableReason } from './link.ts';
import { isLocked } from './lock-waits.ts';
import { asUnavailable, retryPauseMs } from './transaction.ts';

/** Tickets that somebody else's lock holds up, those of a conversation together and in their order. */
export interface HeldUp {
  /** Their conversations' rows are locked. */
  locked: Ticket[];
  /** A statement about all of them waited in vain for a lock, which may concern a single one. */
  timedOut: Ticket[];
}

export interface AppendRetryDeps {
  lane: Lane;
  sessions: AppendSessions;
  /** Whether locked conversations are waited for, each for LOCK_WAIT_MS at most. */
  waits: boolean;
  log: Log;
  /** Longest wait for the answer to one attempt, connecting included. */
  attemptDeadlineMs: number;
  /** Most attempts after serialization failures, deadlocks and the like. */
  maxAttempts: number;
  settle(ticket: Ticket, outcome: AppendOutcome): void;
  refuse(ticket: Ticket, error: unknown): void;
  /** Told of every attempt that did not succeed. */
  onRetry(): void;
}

/** A batch on its way. */
interface Work extends AppendRetryDeps {
  /** Tickets held up, by conversation: what follows them there follows them here. */
  heldUp: Map<string, { cause: keyof HeldUp; tickets: Ticket[] }>;
}

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const DATA_EXCEPTION = /^22/;
/** Reasons that prove that the statement was not executed. */
const NOT_RUN: ReadonlySet<UnavailableReason> = new Set([
  'refused',
  'crowded',
  'read_only',
  'incomplete',
  'outdated',
]);

/** Resolves, with those that are held up, when every other ticket of the batch is settled. Never rejects. */
export async function commitBatch(
  batch: readonly Ticket[],
  deps: AppendRetryDeps,
): Promise<HeldUp> {
  const work: Work = { ...deps, heldUp: new Map() };
  const unsure = batch.some((ticket) => ticket.mayBeStored);
  await seeThrough(batch, work, unsure);
  const left: HeldUp = { locked: [], timedOut: [] };
  for (const { cause, tickets } of work.heldUp.values()) left[cause].push(...tickets);
  return left;
}

/** `unsure`: an earlier attempt may have stored these messages. */
async function seeThrough(batch: readonly Ticket[], work: Work, unsure: boolean): Promise<void> {
  let ours = passing(batch, work);
  for (let attempt = 1; ; attempt += 1) {
    // The others have been told that it failed: what is not yet stored must not be stored later.
    const live = ours.filter((ticket) => !ticket.settled);
    if (live.length === 0) return;
    const result = await tryOnce(live, work, unsure);
    if (result === 'done') return;
    if ('again' in result) {
      ours = result.again;
      attempt -= 1;
      continue;
    }

    work.onRetry();
    unsure ||= result.unknown;
    for (const ticket of live) ticket.mayBeStored = unsure;
    const { error } = result;
    if (isLocked(error)) {
      setAside(live, 'timedOut', work);
      return;
    }
    const willPass = asUnavailable(error) instanceof DatabaseUnavailable;
    // Out of reach: until it is back, or the deadline has answered everyone.
    if (error instanceof DatabaseUnavailable || (willPass && attempt < work.maxAttempts)) {
      await pause(retryPauseMs(attempt));
    } else if (!willPass && isServerError(error) && live.length > 1) {
      return await seeHalvesThrough(live, work, unsure);
    } else if (codeOf(error) === UNIQUE_VIOLATION && !unsure) {
      unsure = true;
    } else {
      for (const ticket of live) refuseRow(ticket, error, work);
      if (!willPass && !isAboutData(error)) {
        work.log.error({ err: error, messages: live.length }, 'Messages could not be stored');
      }
      return;
    }
  }
}

/** One row of the batch cannot be stored: halving finds it, and the rest is stored without it. */
async function seeHalvesThrough(
  batch: readonly Ticket[],
  work: Work,
  unsure: boolean,
): Promise<void> {
  const middle = Math.ceil(batch.length / 2);
  await seeThrough(batch.slice(0, middle), work, unsure);
  await seeThrough(batch.slice(middle), work, unsure);
}

/** The tickets whose conversations are not held up. */
function passing(batch: readonly Ticket[], work: Work): readonly Ticket[] {
  if (work.heldUp.size === 0) return batch;
  const isHeldUp = ({ draft }: Ticket): boolean => work.heldUp.has(draft.conversationId);
  setAside(batch.filter(isHeldUp), 'locked', work);
  return batch.filter((ticket) => !isHeldUp(ticket));
}

function setAside(tickets: readonly Ticket[], cause: keyof HeldUp, { heldUp }: Work): void {
  for (const ticket of tickets) {
    const { conversationId } = ticket.draft;
    const held = heldUp.get(conversationId);
    if (held === undefined) heldUp.set(conversationId, { cause, tickets: [ticket] });
    else held.tickets.push(ticket);
  }
}

async function tryOnce(
  live: readonly Ticket[],
  work: Work,
  unsure: boolean,
): Promise<'done' | { again: Ticket[] } | { error: unknown; unknown: boolean }> {
  const { lane, sessions, waits } = work;
  const drafts = live.map((ticket) => ticket.draft);
  const deadlines = new Map(live.map(({ draft, deadlineAt }) => [draft, deadlineAt]));
  let sent = false;
  try {
    const outcomes = await lane.run(async (sql) => {
      const aheadMs = await sessions.aheadMs(sql);
      // Connecting takes its time: who has been told meanwhile that nothing was stored must be right.
      if (live.some((ticket) => ticket.settled)) return undefined;
      sent = true;
      for (const ticket of live) ticket.mayBeStored = true;
      const deadlineMsOf = (draft: MessageDraft) => (deadlines.get(draft) ?? 0) + aheadMs;
      const answered = await appendBatch(sql, drafts, { waits, unsure, deadlineMsOf });
      if (lateFarAhead(live, answered).length > 0) sessions.doubt(sql);
      return answered;
    }, work.attemptDeadlineMs);
    if (outcomes === undefined) return { again: live.filter((ticket) => !ticket.settled) };
    const locked: Ticket[] = [];
    const written = new Set<string>();
    live.forEach((ticket, index) => {
      const outcome = outcomes[index];
      if (outcome === LOCKED || outcome === LATE) ticket.mayBeStored = unsure;
      if (outcome === LOCKED) locked.push(ticket);
      else if (outcome !== undefined && outcome !== LATE) {
        if (outcome.outcome === 'stored') written.add(ticket.draft.conversationId);
        work.settle(ticket, outcome);
      }
    });
    setAside(locked, 'locked', work);
    // The other late ones are answered at their deadline, and so are those after which others of their
    // conversation have been stored.
    const again = lateFarAhead(live, outcomes).filter(
      ({ draft }) => !written.has(draft.conversationId),
    );
    return again.length > 0 ? { again } : 'done';
  } catch (error) {
    const unknown = sent && error instanceof DatabaseUnavailable && !NOT_RUN.has(error.reason);
    return { error, unknown };
  }
}

/** Late in spite of much time left: PostgreSQL's clock has been set, and is to be asked anew. */
function lateFarAhead(tickets: readonly Ticket[], outcomes: readonly DraftOutcome[]): Ticket[] {
  const soon = performance.now() + CLOCKS_DIFFER_MS;
  return tickets.filter(({ deadlineAt }, index) => outcomes[index] === LATE && deadlineAt > soon);
}

function refuseRow(ticket: Ticket, error: unknown, { settle, refuse }: AppendRetryDeps): void {
  // The sender was deleted between the look and the insert: participations go with the user.
  if (codeOf(error) === FOREIGN_KEY_VIOLATION) settle(ticket, { outcome: 'not_a_participant' });
  else if (isAboutData(error)) {
    refuse(ticket, new ChatError('invalid_request', 'This message cannot be stored.'));
  } else refuse(ticket, asUnavailable(error));
}

/** Whether the row is at fault, not the service. */
function isAboutData(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (code === FOREIGN_KEY_VIOLATION || DATA_EXCEPTION.test(code));
}

function codeOf(error: unknown): string | undefined {
  return isServerError(error) ? error.code : undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
