/**
 * How often callers of one address may fail to prove who they are, whichever door they try.
 *
 * Guarantees: no more than `maxFailures` proofs of an address fail in a window, also when thousands
 * are begun in one turn; nothing is looked at for an address that has had its failures; a proof that
 * succeeds, or could not be judged, costs nothing.
 */
import { MAX_WAITING_ATTEMPTS } from '../bounds/limits.ts';
import { ChatError } from '../chat/errors.ts';
import { createFixedWindow } from './fixed-window.ts';

export interface AttemptsDeps {
  windowMs: number;
  maxFailures: number;
  /** Called for every attempt that is turned away. */
  refused: () => void;
}

/** The attempts of one address that are not decided yet. */
interface Line {
  underWay: number;
  /** Those that wait; each is called with whether it may be tried. */
  waiting: ((mayTry: boolean) => void)[];
}

const TOO_MANY_FAILURES = 'Too many calls of this address have failed to prove who they are.';

/** The attempts of this process, counted by address. */
export function createAttempts({ windowMs, maxFailures, refused }: AttemptsDeps) {
  const failures = createFixedWindow(maxFailures, windowMs);
  const lines = new Map<string, Line>();

  function refusal(): ChatError {
    refused();
    const seconds = failures.retryAfterSeconds();
    return new ChatError('rate_limited', TOO_MANY_FAILURES, undefined, seconds);
  }

  /** Begins an attempt. As many are under way as may yet fail; further ones wait for how those end. */
  async function enter(address: string): Promise<void> {
    const left = failures.left(address);
    const line = lines.get(address);
    if (left === 0) throw refusal();
    if (line === undefined) {
      lines.set(address, { underWay: 1, waiting: [] });
    } else if (line.underWay < left) {
      line.underWay += 1;
    } else {
      if (line.waiting.length >= MAX_WAITING_ATTEMPTS) throw refusal();
      const mayTry = await new Promise<boolean>((resolve) => line.waiting.push(resolve));
      if (!mayTry) throw refusal();
    }
  }

  function leave(address: string): void {
    const line = lines.get(address);
    if (line === undefined) throw new Error('An attempt has ended that was never begun');
    line.underWay -= 1;
    while (line.waiting.length > 0) {
      const left = failures.left(address);
      if (left > 0 && line.underWay >= left) break;
      if (left > 0) line.underWay += 1;
      line.waiting.shift()?.(left > 0);
    }
    // Nobody waits then: the last to leave has let everybody try, or sent them away.
    if (line.underWay === 0) lines.delete(address);
  }

  return {
    /** Whether the address has had its failures. */
    isSpent: (address: string): boolean => failures.left(address) === 0,
    /**
     * Lets one caller prove who it is, and counts it when it cannot.
     *
     * @throws ChatError rate_limited when too many of this address could not; else what `prove` throws
     */
    async guard<T>(address: string, prove: () => Promise<T>): Promise<T> {
      await enter(address);
      try {
        return await prove();
      } catch (error) {
        if (error instanceof ChatError && error.status === 401) failures.take(address);
        throw error;
      } finally {
        leave(address);
      }
    },
  };
}
