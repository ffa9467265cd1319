/**
 * Messages waiting to be written: first in, first out within a conversation, conversations in turn.
 *
 * Guarantees: a conversation whose messages were taken is not offered again before `release`, so
 * two batches in flight never share one; a conversation with much to say takes one turn at a time.
 */
import type { AppendOutcome, MessageDraft } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';

/** A draft on its way, and who waits for it. */
export interface Ticket {
  readonly draft: MessageDraft;
  /** Rough memory held, in bytes. */
  readonly bytes: number;
  /** When its caller is answered at the latest, on the clock of `performance.now()`. */
  readonly deadlineAt: number;
  /** Whether an attempt under way, or one with an unknown outcome, may store or have stored it. */
  mayBeStored: boolean;
  /** Whether its caller has been answered. */
  settled: boolean;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Line {
  readonly conversationId: CanonicalId;
  tickets: Ticket[];
  /** Where the waiting ones begin: shifting a long array for each would cost its length. */
  first: number;
  taken: boolean;
}

/** Passed tickets are let go of when there are this many, and no fewer than half. */
const COMPACT_AT = 256;

export interface AppendQueue {
  push(ticket: Ticket): void;
  /**
   * The next batch, of at most `maxBatch` tickets and `maxBytes` (but one ticket in any case); their
   * conversations are taken.
   */
  take(maxBatch: number, maxBytes: number): Ticket[];
  /** Gives the conversations of a batch back. */
  release(batch: readonly Ticket[]): void;
  /** Lets go of a ticket that waits no longer, if it is the first of its conversation. */
  forget(ticket: Ticket): void;
  /** How many tickets wait, and how many in one conversation. */
  size(): number;
  waitingIn(conversationId: CanonicalId): number;
}

/** The line of one writer's messages; nobody waits in it yet. */
export function createAppendQueue(): AppendQueue {
  const lines = new Map<string, Line>();
  const ready = new Set<Line>();
  let size = 0;

  const waitingIn = (line: Line): number => line.tickets.length - line.first;

  function pass(line: Line, count: number): void {
    line.first += count;
    size -= count;
    if (line.first === line.tickets.length) {
      line.tickets = [];
      line.first = 0;
    } else if (line.first >= COMPACT_AT && line.first * 2 >= line.tickets.length) {
      line.tickets = line.tickets.slice(line.first);
      line.first = 0;
    }
  }

  return {
    push: (ticket) => {
      const { conversationId } = ticket.draft;
      let line = lines.get(conversationId);
      if (line === undefined) {
        line = { conversationId, tickets: [], first: 0, taken: false };
        lines.set(conversationId, line);
      }
      line.tickets.push(ticket);
      size += 1;
      if (!line.taken) ready.add(line);
    },
    take: (maxBatch, maxBytes) => {
      const batch: Ticket[] = [];
      let bytes = 0;
      for (const line of ready) {
        const end = Math.min(line.tickets.length, line.first + maxBatch - batch.length);
        let at = line.first;
        for (; at < end; at += 1) {
          const ticket = line.tickets[at];
          if (ticket === undefined) break;
          if (batch.length > 0 && bytes + ticket.bytes > maxBytes) break;
          batch.push(ticket);
          bytes += ticket.bytes;
        }
        if (at === line.first) break;
        pass(line, at - line.first);
        line.taken = true;
        ready.delete(line);
      }
      return batch;
    },
    release: (batch) => {
      for (const { draft } of batch) {
        const line = lines.get(draft.conversationId);
        if (line === undefined || !line.taken) continue;
        line.taken = false;
        if (waitingIn(line) > 0) ready.add(line);
        else lines.delete(draft.conversationId);
      }
    },
    forget: (ticket) => {
      const line = lines.get(ticket.draft.conversationId);
      if (line === undefined || line.tickets[line.first] !== ticket) return;
      pass(line, 1);
      if (waitingIn(line) > 0 || line.taken) return;
      ready.delete(line);
      lines.delete(line.conversationId);
    },
    size: () => size,
    waitingIn: (conversationId) => {
      const line = lines.get(conversationId);
      return line === undefined ? 0 : waitingIn(line);
    },
  };
}
