/**
 * When to connect again: after pauses that grow to a bound with every attempt that leads to nothing, with
 * jitter, so that the nodes do not come back to a restarted Redis all at once.
 */
import { FIRST_PAUSE_MS, MAX_DOUBLINGS } from '../bounds/redis.ts';

export interface RetryDeps {
  /** The longest pause between two attempts, milliseconds. */
  maxPauseMs: number;
  connect(): void;
}

export interface Retry {
  /** Connects after a pause, unless that is about to happen anyway. */
  later(): void;
  /** Whether an attempt is to come. */
  isDue(): boolean;
  /** To be called when it is connected: the next pause is the shortest again. */
  succeeded(): void;
  /** Calls the next attempt off; there is none until `later`. */
  cancel(): void;
}

/** The attempts for one connection; none is due at first. */
export function createRetry({ maxPauseMs, connect }: RetryDeps): Retry {
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  function cancel(): void {
    clearTimeout(timer);
    timer = undefined;
  }

  return {
    later() {
      if (timer !== undefined) return;
      const mostMs = Math.min(maxPauseMs, FIRST_PAUSE_MS * 2 ** Math.min(failures, MAX_DOUBLINGS));
      failures += 1;
      timer = setTimeout(
        () => {
          timer = undefined;
          connect();
        },
        mostMs * (0.5 + Math.random() / 2),
      ).unref();
    },
    isDue: () => timer !== undefined,
    succeeded() {
      failures = 0;
    },
    cancel,
  };
}
