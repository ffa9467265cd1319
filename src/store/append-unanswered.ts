/**
 * Who has not been answered yet: how many, what they hold, and when each has waited too long. One
 * timer serves all: deadlines come in the order of the calls.
 */
import type { Ticket } from './append-queue.ts';

export interface Unanswered {
  add(ticket: Ticket): void;
  /** Marks a ticket answered; false when it has been before. */
  answer(ticket: Ticket): boolean;
  count(): number;
  /** Memory they hold, roughly. */
  bytes(): number;
  /** Gives up all that are left. */
  giveUpAll(): void;
}

/** `giveUp` is called once for a ticket whose deadline has come, and has to answer it. */
export function createUnanswered(giveUp: (ticket: Ticket) => void): Unanswered {
  const tickets = new Set<Ticket>();
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  function expire(): void {
    timer = undefined;
    const now = performance.now();
    for (const ticket of tickets) {
      // Timers may fire a little early.
      if (ticket.deadlineAt > now + 1) {
        timer = setTimeout(expire, ticket.deadlineAt - now);
        return;
      }
      giveUp(ticket);
    }
  }

  return {
    add: (ticket) => {
      tickets.add(ticket);
      bytes += ticket.bytes;
      timer ??= setTimeout(expire, ticket.deadlineAt - performance.now());
    },
    answer: (ticket) => {
      if (ticket.settled) return false;
      ticket.settled = true;
      bytes -= ticket.bytes;
      return tickets.delete(ticket);
    },
    count: () => tickets.size,
    bytes: () => bytes,
    giveUpAll: () => {
      for (const ticket of tickets) giveUp(ticket);
      clearTimeout(timer);
    },
  };
}
