/**
 * The writer: gathers the sends of this node and commits them in batches.
 *
 * Guarantees: `append` settles after COMMIT, or refuses within `sendDeadlineMs`; messages of one
 * conversation are stored, and their promises settled, in the order of the calls; what waits is
 * bounded in number and bytes; what somebody else has locked holds up its own conversation alone. A
 * lone message is written at once; whatever arrives while a batch is in flight makes the next one.
 */
import { MAX_BATCH_ATTEMPTS } from '../bounds/store.ts';
import { ChatError } from '../chat/errors.ts';
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { createAside } from './append-aside.ts';
import { bytesOf } from './append-draft.ts';
import { createAppendQueue, type Ticket } from './append-queue.ts';
import { commitBatch, type HeldUp } from './append-retry.ts';
import { createAppendSessions } from './append-session.ts';
import { WRITER_SETTINGS } from './append-statements.ts';
import { createUnanswered } from './append-unanswered.ts';
import type { Database, Lane, Log } from './database.ts';
import { greet } from './greeting.ts';
import { DatabaseUnavailable } from './link.ts';
import type { WriterLimits } from './writer-limits.ts';

export interface WriterStats {
  /** Messages not yet answered, and the memory they hold. */
  unanswered: number;
  unansweredBytes: number;
  /** Of these, messages not yet in a batch. */
  waiting: number;
  /** Conversations that somebody else has locked, or keeps from being written to. */
  heldUp: number;
  batches: number;
  messages: number;
  retries: number;
}

export interface Writer {
  /**
   * Stores a message. Rejects with ChatError: `invalid_request` for what PostgreSQL cannot hold,
   * `unavailable` when too much waits, or when there is no certain outcome by the deadline; only
   * then may the message have been stored, and the same client_message_id is safe to send again.
   */
  append(draft: MessageDraft): Promise<AppendOutcome>;
  /**
   * Whether a message would find a lane that leads to a server which takes writes. Rejects with
   * DatabaseUnavailable when not.
   */
  probe(): Promise<void>;
  /**
   * Sets the one listener told of a conversation in which a message is or may be stored of which the caller
   * of `append` was told that nobody knows: when that is told, and when it turns out.
   */
  onUnsure(listener: (conversationId: CanonicalId) => void): void;
  /** Refuses new messages and sees the rest through; what is left after `timeoutMs` is refused. */
  drain(timeoutMs: number): Promise<void>;
  stats(): WriterStats;
}

export interface WriterDeps {
  database: Pick<Database, 'lane'>;
  limits: WriterLimits;
  log: Log;
  /** Told of every batch seen through: how many messages, how long. */
  onBatch?: (size: number, durationMs: number) => void;
}

const MIN_SHARE = 100;

const SHUTTING_DOWN = 'This server is shutting down. Try again on another one.';
const TOO_MUCH_WAITS = 'Too many messages are waiting. Try again shortly.';
const IS_HELD_UP = 'This conversation cannot be written to at the moment. Try again shortly.';
const NOT_STORED = 'The message could not be stored in time. Try again shortly.';
const OUTCOME_UNKNOWN =
  'It is not known whether the message was stored. Sending it again with the same client_message_id is safe.';

/** The writer of one process, on `WRITER_CONNECTIONS` lanes. Returns at once; each connects when it is first needed. */
export function createWriter({ database, limits, log, onBatch }: WriterDeps): Writer {
  const queue = createAppendQueue();
  const unanswered = createUnanswered(giveUp);
  let unsure: (conversationId: CanonicalId) => void = () => undefined;
  const openLane = (): Lane => database.lane(WRITER_SETTINGS);
  const idleLanes = Array.from({ length: limits.lanes }, openLane);
  // Not connected before it is needed.
  const asideLane = openLane();
  const aside = createAside({
    maxBatch: limits.maxBatch,
    attempt: (tickets, waits) => commit(asideLane, tickets, waits),
    onThrough: free,
  });
  const sessions = createAppendSessions();
  const counts = { batches: 0, messages: 0, retries: 0 };
  let dispatching = false;
  let draining = false;
  let storedAt = performance.now();
  let onEmpty: (() => void) | undefined;

  function append(draft: MessageDraft): Promise<AppendOutcome> {
    if (draining) return Promise.reject(unavailable(SHUTTING_DOWN));
    const bytes = bytesOf(draft);
    if (
      unanswered.count() >= limits.maxQueue ||
      unanswered.bytes() + bytes > limits.maxQueueBytes
    ) {
      return Promise.reject(unavailable(TOO_MUCH_WAITS));
    }
    if (isTooFarBehind(draft.conversationId)) return Promise.reject(unavailable(IS_HELD_UP));
    return new Promise((resolve, reject) => {
      const ticket: Ticket = {
        draft,
        bytes,
        deadlineAt: performance.now() + limits.sendDeadlineMs,
        mayBeStored: false,
        settled: false,
        resolve,
        reject,
      };
      unanswered.add(ticket);
      queue.push(ticket);
      dispatchSoon();
    });
  }

  /** One conversation must not use up the queue while it cannot be written to. */
  function isTooFarBehind(conversationId: CanonicalId): boolean {
    if (!aside.has(conversationId)) return false;
    return queue.waitingIn(conversationId) >= limits.maxBehindLocked;
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

  async function writeBatch(lane: Lane, batch: Ticket[]): Promise<void> {
    const heldUp = await commit(lane, batch, false);
    idleLanes.push(lane);
    if (heldUp.locked.length + heldUp.timedOut.length === 0) return free(batch);
    aside.put(heldUp);
    free(batch.filter(({ draft }) => !aside.has(draft.conversationId)));
  }

  /** Gives their conversations back, so that what waits behind them comes next. */
  function free(tickets: readonly Ticket[]): void {
    queue.release(tickets);
    dispatch();
    if (unanswered.count() === 0) onEmpty?.();
  }

  /** Sees a batch through, but for what is held up. */
  async function commit(lane: Lane, batch: readonly Ticket[], waits: boolean): Promise<HeldUp> {
    const startedAt = performance.now();
    const heldUp = await commitBatch(batch, {
      lane,
      sessions,
      waits,
      log,
      attemptDeadlineMs: limits.attemptDeadlineMs,
      maxAttempts: MAX_BATCH_ATTEMPTS,
      settle: (ticket, outcome) => {
        if (unanswered.answer(ticket)) ticket.resolve(outcome);
        else if (outcome.outcome === 'stored') unsure(ticket.draft.conversationId);
      },
      refuse: (ticket, error) => {
        if (!unanswered.answer(ticket)) return;
        if (ticket.mayBeStored) unsure(ticket.draft.conversationId);
        ticket.reject(error);
      },
      onRetry: () => {
        counts.retries += 1;
      },
    });
    const messages = batch.length - heldUp.locked.length - heldUp.timedOut.length;
    if (messages > 0) {
      storedAt = performance.now();
      counts.batches += 1;
      counts.messages += messages;
      onBatch?.(messages, performance.now() - startedAt);
    }
    return heldUp;
  }

  function giveUp(ticket: Ticket): void {
    if (!unanswered.answer(ticket)) return;
    queue.forget(ticket);
    if (ticket.mayBeStored) unsure(ticket.draft.conversationId);
    ticket.reject(unavailable(ticket.mayBeStored ? OUTCOME_UNKNOWN : NOT_STORED));
  }

  async function probe(): Promise<void> {
    const lane = idleLanes.pop();
    if (lane === undefined) {
      // Batches are under way, which shows it as well, while they come through.
      if (performance.now() - storedAt < limits.sendDeadlineMs) return;
      throw new DatabaseUnavailable('overloaded');
    }
    try {
      await lane.run(greet, limits.attemptDeadlineMs);
    } finally {
      idleLanes.push(lane);
      dispatch();
    }
  }

  async function drain(timeoutMs: number): Promise<void> {
    draining = true;
    if (unanswered.count() > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    unanswered.giveUpAll();
    aside.close();
  }

  return {
    append,
    probe,
    onUnsure(listener) {
      unsure = listener;
    },
    drain,
    stats: () => ({
      unanswered: unanswered.count(),
      unansweredBytes: unanswered.bytes(),
      waiting: queue.size(),
      heldUp: aside.size(),
      ...counts,
    }),
  };
}

function unavailable(message: string): ChatError {
  return new ChatError('unavailable', message);
}
