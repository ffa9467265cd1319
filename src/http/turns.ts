/**
 * Lets requests in that nobody has to prove anything for, one in each turn of the event loop: however
 * many connections ask as fast as they can, everybody else is seen to between two of them. Where answers
 * are large, only so many a second besides.
 */
import { ChatError } from '../chat/errors.ts';

export interface TurnsLimits {
  /** Most callers that wait; more are refused. */
  readonly maxWaiting: number;
  /** So many at once, and then this many a second; left out: as many as there are turns. */
  readonly pace?: { readonly burst: number; readonly perSecond: number };
}

export interface Turns {
  /**
   * Resolves when it is the caller's turn: at once where nobody else has come in this one.
   *
   * @throws ChatError unavailable (rejection) when too many wait
   */
  take(): Promise<void>;
  /** Lets all callers in that still wait. */
  close(): void;
}

/** One line of turns; what waits in another one is not counted here. */
export function createTurns({ maxWaiting, pace }: TurnsLimits): Turns {
  const waiting: (() => void)[] = [];
  /** A turn has been taken, or is waited for: whoever comes now waits behind. */
  let next: NodeJS.Immediate | undefined;
  let pause: NodeJS.Timeout | undefined;
  /** How many callers may be let in at once, as it was at `countedAtMs`. */
  let credit = pace?.burst ?? 0;
  let countedAtMs = performance.now();

  /** Milliseconds until one more fits the pace. */
  function untilDueMs(): number {
    if (pace === undefined) return 0;
    const nowMs = performance.now();
    credit = Math.min(pace.burst, credit + ((nowMs - countedAtMs) / 1000) * pace.perSecond);
    countedAtMs = nowMs;
    return credit >= 1 ? 0 : ((1 - credit) / pace.perSecond) * 1000;
  }

  function endTurn(): void {
    next = undefined;
    pause = undefined;
    if (waiting.length === 0) return;
    const dueMs = untilDueMs();
    if (dueMs > 0) {
      pause = setTimeout(endTurn, dueMs);
      return;
    }
    begin();
    waiting.shift()?.();
  }

  function begin(): void {
    credit -= 1;
    next = setImmediate(endTurn);
  }

  return {
    async take() {
      if (next === undefined && pause === undefined && untilDueMs() === 0) {
        begin();
        return;
      }
      if (waiting.length >= maxWaiting) {
        throw new ChatError('unavailable', 'Too many ask for this at once.');
      }
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (next === undefined && pause === undefined) endTurn();
      });
    },
    close() {
      clearImmediate(next);
      clearTimeout(pause);
      for (const enter of waiting.splice(0)) enter();
    },
  };
}
