/**
 * What recurs in a process, on one timer and at the same moments, so that the process wakes up once for all
 * of it: at whole multiples of each interval on the monotonic clock.
 *
 * Guarantees: what a listener throws reaches the timer, and the others are still called; beats that are missed
 * while the process stalls are left out. The timer does not keep the process alive.
 */
import { afterUnref, createDeadlineTimer } from './deadline-timer.ts';

export interface Beat {
  /**
   * Calls `listener` at every multiple of `intervalMs`, the first time within one.
   * @returns what ends it
   */
  every(intervalMs: number, listener: () => void): () => void;
}

interface Recurring {
  readonly intervalMs: number;
  readonly listener: () => void;
}

/** The beat of a process; nothing recurs at first. */
export function createBeat(): Beat {
  const timer = createDeadlineTimer<Recurring>({
    // A timer may go off some part of a millisecond early, and the process would wake up for nothing.
    after: (delayMs, callback) => afterUnref(delayMs + 1, callback),
    onDue(recurring, nowMs) {
      timer.set(recurring, nextMultiple(nowMs, recurring.intervalMs));
      recurring.listener();
    },
  });
  return {
    every(intervalMs, listener) {
      const recurring = { intervalMs, listener };
      timer.set(recurring, nextMultiple(performance.now(), intervalMs));
      return () => void timer.delete(recurring);
    },
  };
}

function nextMultiple(nowMs: number, intervalMs: number): number {
  return (Math.floor(nowMs / intervalMs) + 1) * intervalMs;
}
