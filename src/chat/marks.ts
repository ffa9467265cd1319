/**
 * Marks of one person in one conversation, one after the other: those that come while one is under way
 * become a single one, the furthest. It covers what the others ask for, so these are answered as they
 * would be after it: the cursor stands there, and they have covered nothing new.
 */

import { MAX_WAITING_MARKS } from '../bounds/chat.ts';
import { ChatError } from './errors.ts';
import type { CursorOutcome, CursorRequest } from './ports.ts';

interface Caller {
  upToSeq: number | null;
  resolve: (outcome: CursorOutcome) => void;
  reject: (error: unknown) => void;
}

/** Returns the function that marks; its errors are those of `run`, and rate_limited. */
export function createMarkLine(
  run: (mark: CursorRequest) => Promise<CursorOutcome>,
): (mark: CursorRequest) => Promise<CursorOutcome> {
  /** Callers that wait, by person and conversation, wherever a mark is under way. */
  const waiting = new Map<string, Caller[]>();

  async function goOn(key: string, mark: CursorRequest): Promise<void> {
    for (;;) {
      const callers = waiting.get(key) ?? [];
      if (callers.length === 0) break;
      waiting.set(key, []);
      await together(mark, callers);
    }
    waiting.delete(key);
  }

  /** Carries out the furthest of these marks for all of them. Never rejects: the callers are told. */
  async function together(mark: CursorRequest, callers: readonly Caller[]): Promise<void> {
    const furthest = callers.reduce((a, b) => (isFurther(b.upToSeq, a.upToSeq) ? b : a));
    try {
      const outcome = await run({ ...mark, upToSeq: furthest.upToSeq });
      const after: CursorOutcome =
        outcome.outcome === 'moved' ? { ...outcome, outcome: 'unchanged', marked: 0 } : outcome;
      for (const caller of callers) caller.resolve(caller === furthest ? outcome : after);
    } catch (error) {
      for (const { reject } of callers) reject(error);
    }
  }

  return (mark) =>
    new Promise((resolve, reject) => {
      const key = `${mark.conversationId} ${mark.userId}`;
      const caller: Caller = { upToSeq: mark.upToSeq, resolve, reject };
      const callers = waiting.get(key);
      if (callers === undefined) {
        waiting.set(key, [caller]);
        void goOn(key, mark);
      } else if (callers.length < MAX_WAITING_MARKS) callers.push(caller);
      else reject(new ChatError('rate_limited', 'Too many marks of one conversation; slow down.'));
    });
}

/** Whether `a` reaches further than `b`. Of two that reach equally far, the earlier one is to move. */
function isFurther(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b);
}
