/** Who has not been answered yet: how many, what they hold, and when each has waited too long. */
import { createDeadlineTimer } from '../shared/deadline-timer.ts';
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
  const tickets = createDeadlineTimer<Ticket>({ onDue: giveUp });
  let bytes = 0;

  return {
    add: (ticket) => {
      tickets.set(ticket, ticket.deadlineAt);
      bytes += ticket.bytes;
    },
    answer: (ticket) => {
      if (ticket.settled) return false;
      ticket.settled = true;
      bytes -= ticket.bytes;
      tickets.delete(ticket);
      return true;
    },
    count: () => tickets.size,
    bytes: () => bytes,
    giveUpAll: () => {
      for (const ticket of tickets.items()) giveUp(ticket);
      tickets.clear();
    },
  };
}
