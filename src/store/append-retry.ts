/**
 * Sees a batch through to an outcome for every ticket: again after what passes by itself, in halves
 * when one row can not be stored, by looking the messages up when nobody knows whether a commit
 * happened.
 *
 * Guarantees: nobody is told an outcome that is not known; a message is never stored twice; when a
 * caller has given up, only a COMMIT already on its way can still store the message; the order
 * within a conversation survives retries and halving.
 */
import { ChatError } from '../chat/errors.ts';
import type { AppendOutcome } from '../chat/ports.ts';
import { type Attempt, appendBatch } from './append-batch.ts';
import type { Ticket } from './append-queue.ts';
import type { Lane, Log } from './database.ts';
import { DatabaseUnavailable, isServerError } from './link.ts';
import type { SenderCache } from './sender-cache.ts';
import { asUnavailable, retryPauseMs } from './transaction.ts';

export interface RetryOptions {
  lane: Lane;
  senders: SenderCache;
  /** Whether to plan the statements anew. */
  plansAreOld: boolean;
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

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const DATA_EXCEPTION = /^22/;

/** Resolves when every ticket of the batch is settled. Never rejects. */
export function commitBatch(batch: readonly Ticket[], options: RetryOptions): Promise<void> {
  return seeThrough(batch, options, false);
}

/** `unsure`: an earlier attempt may have stored these messages. */
async function seeThrough(
  batch: readonly Ticket[],
  options: RetryOptions,
  unsure: boolean,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    // The others have been told that it failed: what is not yet stored must not be stored later.
    const live = batch.filter((ticket) => !ticket.settled);
    if (live.length === 0) return;
    const result = await tryOnce(live, options, unsure);
    if (result === 'done') return;

    options.onRetry();
    unsure ||= result.unknown;
    for (const ticket of live) ticket.mayBeStored = unsure;
    const { error } = result;
    const passing = asUnavailable(error) instanceof DatabaseUnavailable;
    // Out of reach: until it is back, or the deadline has answered everyone.
    if (error instanceof DatabaseUnavailable || (passing && attempt < options.maxAttempts)) {
      await pause(retryPauseMs(attempt));
    } else if (!passing && isServerError(error) && live.length > 1) {
      return await seeHalvesThrough(live, options, unsure);
    } else if (codeOf(error) === UNIQUE_VIOLATION && !unsure) {
      unsure = true;
    } else {
      for (const ticket of live) refuseRow(ticket, error, options);
      if (!passing && !isAboutData(error)) {
        options.log.error({ err: error, messages: live.length }, 'Messages could not be stored');
      }
      return;
    }
  }
}

/** One row of the batch can not be stored: halving finds it, and the rest is stored without it. */
async function seeHalvesThrough(
  batch: readonly Ticket[],
  options: RetryOptions,
  unsure: boolean,
): Promise<void> {
  const middle = Math.ceil(batch.length / 2);
  await seeThrough(batch.slice(0, middle), options, unsure);
  await seeThrough(batch.slice(middle), options, unsure);
}

async function tryOnce(
  live: readonly Ticket[],
  options: RetryOptions,
  unsure: boolean,
): Promise<'done' | { error: unknown; unknown: boolean }> {
  const drafts = live.map((ticket) => ticket.draft);
  let committing = false;
  const attempt: Attempt = {
    mayBeStored: unsure,
    plansAreOld: options.plansAreOld,
    senders: options.senders,
    isWanted: (index) => live[index]?.settled === false,
    onCommitting: () => {
      committing = true;
      for (const ticket of live) ticket.mayBeStored = true;
    },
  };
  try {
    const outcomes = await options.lane.run(
      (sql) => appendBatch(sql, drafts, attempt),
      options.attemptDeadlineMs,
    );
    live.forEach((ticket, index) => {
      const outcome = outcomes[index];
      if (outcome !== undefined) options.settle(ticket, outcome);
    });
    return 'done';
  } catch (error) {
    return { error, unknown: committing && error instanceof DatabaseUnavailable };
  }
}

function refuseRow(ticket: Ticket, error: unknown, { settle, refuse }: RetryOptions): void {
  // The sender was deleted between the look and the insert: participations go with the user.
  if (codeOf(error) === FOREIGN_KEY_VIOLATION) settle(ticket, { outcome: 'not_a_participant' });
  else if (isAboutData(error)) {
    refuse(ticket, new ChatError('invalid_request', 'This message can not be stored.'));
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
