/**
 * One timer for many waits: each item is handed out once, when it is due.
 *
 * Guarantees: items come in the order in which they are due, never early by `now`, and not from within
 * `set`; no more than `maxPerTurn` come in one turn of the event loop, and the rest follows at once. What is
 * handed out may set and delete items. There is a timer only while something waits. Costs are those of
 * `deadline-queue.ts`.
 */
import { MAX_DEADLINES_PER_TURN } from '../bounds/shared.ts';
import { createDeadlineQueue } from './deadline-queue.ts';

/** Calls back once after so many milliseconds; what is returned prevents it. */
export type After = (delayMs: number, callback: () => void) => () => void;

export interface DeadlineTimerDeps<T extends NonNullable<unknown>> {
  /**
   * Called with each item when it is due, as `now` has just said; it waits no longer. What this throws is
   * thrown from the timer; the rest still comes.
   */
  onDue(item: T, nowMs: number): void;
  /** Milliseconds; left out: the monotonic clock, `performance.now()`. */
  now?: () => number;
  /** How to wait; left out: `setTimeout`. */
  after?: After;
  /**
   * Left out: every item comes when it is due. Else what is due is looked for once in so many
   * milliseconds, by what `now` says then: for a clock that is set, or to do things together.
   */
  tickMs?: number;
  maxPerTurn?: number;
}

export interface DeadlineTimer<T extends NonNullable<unknown>> {
  readonly size: number;
  has(item: T): boolean;
  /** Notes that `item` is due at `at` (on the clock of `now`), whatever was said of it before. */
  set(item: T, at: number): void;
  /** Takes `item` out; returns whether it was waiting. */
  delete(item: T): boolean;
  /** All items, in the order in which they came. */
  items(): IterableIterator<T>;
  /** Takes all items out and ends the timer. */
  clear(): void;
}

/** The longest that `setTimeout` waits; what is further away is looked at once more then. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The `After` whose wait keeps the process alive. */
const afterAlive: After = (delayMs, callback) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** The `After` whose wait does not keep the process alive. */
export const afterUnref: After = (delayMs, callback) => {
  const timer = setTimeout(callback, delayMs).unref();
  return () => clearTimeout(timer);
};

/** A timer that nothing waits for. */
export function createDeadlineTimer<T extends NonNullable<unknown>>(
  deps: DeadlineTimerDeps<T>,
): DeadlineTimer<T> {
  const { onDue, tickMs } = deps;
  const {
    now = () => performance.now(),
    after = afterAlive,
    maxPerTurn = MAX_DEADLINES_PER_TURN,
  } = deps;
  const queue = createDeadlineQueue<T>();
  let cancel: (() => void) | undefined;
  /** When the timer goes off; it is armed anew only for something earlier. */
  let armedFor = Number.POSITIVE_INFINITY;
  let isHandingOut = false;

  function arm(at: number, delayMs: number): void {
    cancel?.();
    armedFor = at;
    cancel = after(Math.min(delayMs, MAX_DELAY_MS), handOut);
  }

  function wait(): void {
    const at = queue.nextAt();
    if (at !== undefined) arm(at, tickMs ?? Math.max(0, Math.ceil(at - now())));
  }

  function handOut(): void {
    cancel = undefined;
    armedFor = Number.POSITIVE_INFINITY;
    isHandingOut = true;
    const nowMs = now();
    let left = maxPerTurn;
    try {
      for (; left > 0; left -= 1) {
        const item = queue.takeDue(nowMs);
        if (item === undefined) break;
        onDue(item, nowMs);
      }
    } finally {
      isHandingOut = false;
      if (left === 0 && queue.size > 0) arm(nowMs, 0);
      else wait();
    }
  }

  return {
    get size() {
      return queue.size;
    },
    has: queue.has,
    set(item, at) {
      queue.set(item, at);
      if (isHandingOut) return;
      if (cancel === undefined) wait();
      else if (tickMs === undefined && at < armedFor) arm(at, Math.max(0, Math.ceil(at - now())));
    },
    delete: queue.delete,
    items: queue.items,
    clear() {
      queue.clear();
      cancel?.();
      cancel = undefined;
      armedFor = Number.POSITIVE_INFINITY;
    },
  };
}
