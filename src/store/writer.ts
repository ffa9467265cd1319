/**
 * The writer: gathers the sends of this node and commits them in batches.
 *
 * Guarantees: `append` settles after COMMIT, or refuses within `sendDeadlineMs`; messages of one
 * conversation are stored, and their promises settled, in the order of the calls; what waits is
 * bounded in number and bytes. A lone message is written at once; whatever arrives while a batch is
 * in flight makes the next one.
 */
import { ChatError } from '../chat/errors.ts';
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import { bytesOf, faultOf, withLowerCaseIds } from './append-draft.ts';
import { createAppendQueue, type Ticket } from './append-queue.ts';
import { commitBatch } from './append-retry.ts';
import { WRITER_SETTINGS } from './append-statements.ts';
import type { Database, Lane, Log } from './database.ts';
import type { Epochs } from './epoch.ts';
import { createSenderCache } from './sender-cache.ts';

export interface WriterLimits {
  /** Most messages not yet answered. */
  maxQueue: number;
  /** Most memory they may hold, roughly. */
  maxQueueBytes: number;
  /** Most messages in one transaction. */
  maxBatch: number;
  /** Most memory they may hold, roughly: what an attempt can carry well before its deadline. */
  maxBatchBytes: number;
  /** Connections, and so transactions at a time. */
  lanes: number;
  /** Longest time from call to answer. */
  sendDeadlineMs: number;
  /** Longest wait for one attempt; short enough for another to find out what the first one did. */
  attemptDeadlineMs: number;
  /** Most senders remembered. */
  maxKnownSenders: number;
  /** How old the name shown with a new message may be. */
  senderNameLifeMs: number;
}

export const defaultWriterLimits: WriterLimits = {
  maxQueue: 20_000,
  maxQueueBytes: 64 * 1024 * 1024,
  maxBatch: 1000,
  maxBatchBytes: 4 * 1024 * 1024,
  // While PostgreSQL works on one batch, this process makes the next: measured 1.5 to 2 times one.
  lanes: 2,
  sendDeadlineMs: 5000,
  attemptDeadlineMs: 2000,
  maxKnownSenders: 20_000,
  senderNameLifeMs: 30_000,
};

export interface WriterStats {
  /** Messages not yet answered, and the memory they hold. */
  unanswered: number;
  unansweredBytes: number;
  /** Of these, messages not yet in a batch. */
  waiting: number;
  batches: number;
  messages: number;
  retries: number;
}

export interface Writer {
  /**
   * Stores a message. Rejects with ChatError: `invalid_request` for what PostgreSQL can not hold,
   * `unavailable` when too much waits, or when there is no certain outcome by the deadline; only
   * then may the message have been stored, and the same client_message_id is safe to send again.
   */
  append(draft: MessageDraft): Promise<AppendOutcome>;
  /** Refuses new messages and sees the rest through; what is left after `timeoutMs` is refused. */
  drain(timeoutMs: number): Promise<void>;
  stats(): WriterStats;
}

export interface WriterDeps {
  database: Pick<Database, 'lane'>;
  limits: WriterLimits;
  /** Tells when what is remembered of the database no longer holds. */
  epochs?: Pick<Epochs, 'onChange'>;
  log: Log;
  /** Told of every batch seen through: how many messages, how long. */
  onBatch?: (size: number, durationMs: number) => void;
}

interface WriterLane extends Lane {
  /** When its statements were last planned, or that is assumed. */
  plannedAt: number;
}

/** Most attempts after serialization failures, deadlocks and the like. */
const MAX_ATTEMPTS = 8;
const MIN_SHARE = 100;
/** Planning costs about a millisecond for all statements together. */
const PLAN_LIFE_MS = 10_000;

const SHUTTING_DOWN = 'This server is shutting down. Try again on another one.';
const TOO_MUCH_WAITS = 'Too many messages are waiting. Try again shortly.';
const NOT_STORED = 'The message could not be stored in time. Try again shortly.';
const OUTCOME_UNKNOWN =
  'It is not known whether the message was stored. Sending it again with the same client_message_id is safe.';

export function createWriter({ database, limits, epochs, log, onBatch }: WriterDeps): Writer {
  const queue = createAppendQueue();
  // In the order of the calls, and so of the deadlines.
  const unanswered = new Set<Ticket>();
  const idleLanes: WriterLane[] = Array.from({ length: limits.lanes }, () => ({
    ...database.lane(WRITER_SETTINGS),
    plannedAt: performance.now(),
  }));
  const senders = createSenderCache({
    maxEntries: limits.maxKnownSenders,
    lifeMs: limits.senderNameLifeMs,
  });
  epochs?.onChange(senders.clear);
  const counts = { batches: 0, messages: 0, retries: 0 };
  let unansweredBytes = 0;
  let dispatching = false;
  let draining = false;
  let deadlineTimer: NodeJS.Timeout | undefined;
  let onEmpty: (() => void) | undefined;

  function append(draft: MessageDraft): Promise<AppendOutcome> {
    if (draining) return Promise.reject(unavailable(SHUTTING_DOWN));
    const fault = faultOf(draft);
    if (fault !== undefined) return Promise.reject(new ChatError('invalid_request', fault));
    const bytes = bytesOf(draft);
    if (unanswered.size >= limits.maxQueue || unansweredBytes + bytes > limits.maxQueueBytes) {
      return Promise.reject(unavailable(TOO_MUCH_WAITS));
    }
    return new Promise((resolve, reject) => {
      const ticket: Ticket = {
        draft: withLowerCaseIds(draft),
        bytes,
        deadlineAt: performance.now() + limits.sendDeadlineMs,
        mayBeStored: false,
        settled: false,
        resolve,
        reject,
      };
      unanswered.add(ticket);
      unansweredBytes += bytes;
      deadlineTimer ??= setTimeout(expire, limits.sendDeadlineMs);
      queue.push(ticket);
      dispatchSoon();
    });
  }

  /** After the sockets that are readable now have been read: their messages make one batch. */
  function dispatchSoon(): void {
    if (dispatching || idleLanes.length === 0) return;
    dispatching = true;
    setImmediate(() => {
      dispatching = false;
      dispatch();
    });
  }

  function dispatch(): void {
    while (idleLanes.length > 0) {
      // A burst that finds several lanes idle is shared among them; a small one is not worth it.
      const share = Math.max(Math.ceil(queue.size() / idleLanes.length), MIN_SHARE);
      const batch = queue.take(Math.min(share, limits.maxBatch), limits.maxBatchBytes);
      const lane = batch.length > 0 ? idleLanes.pop() : undefined;
      if (lane === undefined) return;
      void writeBatch(lane, batch);
    }
  }

  async function writeBatch(lane: WriterLane, batch: Ticket[]): Promise<void> {
    const startedAt = performance.now();
    const plansAreOld = startedAt - lane.plannedAt > PLAN_LIFE_MS;
    if (plansAreOld) lane.plannedAt = startedAt;
    await commitBatch(batch, {
      lane,
      plansAreOld,
      senders,
      log,
      attemptDeadlineMs: limits.attemptDeadlineMs,
      maxAttempts: MAX_ATTEMPTS,
      settle: (ticket, outcome) => {
        if (answered(ticket)) ticket.resolve(outcome);
      },
      refuse: (ticket, error) => {
        if (answered(ticket)) ticket.reject(error);
      },
      onRetry: () => {
        counts.retries += 1;
      },
    });
    counts.batches += 1;
    counts.messages += batch.length;
    onBatch?.(batch.length, performance.now() - startedAt);
    queue.release(batch);
    idleLanes.push(lane);
    dispatch();
    if (unanswered.size === 0) onEmpty?.();
  }

  /** Marks a ticket answered; false when it has been before. */
  function answered(ticket: Ticket): boolean {
    if (ticket.settled) return false;
    ticket.settled = true;
    unansweredBytes -= ticket.bytes;
    return unanswered.delete(ticket);
  }

  /** Answers whoever has waited too long. One timer serves all: deadlines come in order of calls. */
  function expire(): void {
    deadlineTimer = undefined;
    const now = performance.now();
    for (const ticket of unanswered) {
      // Timers may fire a little early.
      if (ticket.deadlineAt > now + 1) {
        deadlineTimer = setTimeout(expire, ticket.deadlineAt - now);
        return;
      }
      giveUp(ticket);
    }
  }

  function giveUp(ticket: Ticket): void {
    if (!answered(ticket)) return;
    queue.forget(ticket);
    ticket.reject(unavailable(ticket.mayBeStored ? OUTCOME_UNKNOWN : NOT_STORED));
  }

  async function drain(timeoutMs: number): Promise<void> {
    draining = true;
    if (unanswered.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const ticket of unanswered) giveUp(ticket);
    clearTimeout(deadlineTimer);
  }

  return {
    append,
    drain,
    stats: () => ({
      unanswered: unanswered.size,
      unansweredBytes,
      waiting: queue.size(),
      ...counts,
    }),
  };
}

function unavailable(message: string): ChatError {
  return new ChatError('unavailable', message);
}
