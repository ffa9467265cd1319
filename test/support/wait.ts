// Waiting in tests, always for something: a condition or an event, never for time to pass. Every
// wait has a deadline, and missing it says what was waited for.

/** How often a condition is looked at again, unless the caller says otherwise. */
const POLL_INTERVAL_MS = 10;

export interface WaitOptions {
  /** How long to go on looking, in milliseconds. */
  timeoutMs?: number;
  /** What is awaited, for the error message. */
  what: string;
  /** Pause between two looks, in milliseconds. */
  intervalMs?: number;
}

/** What `once` needs of an emitter: Node's EventEmitter and socket.io-client's Socket both fit. */
export interface OnceEmitter {
  once(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/**
 * Looks at `condition` until it is truthy and returns that value.
 *
 * @throws Error naming `what` (and the last error thrown by the condition) after `timeoutMs`
 *   (default 10 000); a condition that throws counts as not yet true.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const { timeoutMs = 10_000, what, intervalMs = POLL_INTERVAL_MS } = options;
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${what}`, { cause: lastError });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

/**
 * The arguments of the next `event`.
 *
 * @throws Error naming the event when it has not come within `timeoutMs` (default 10 000).
 */
export function once<Args extends unknown[] = unknown[]>(
  emitter: OnceEmitter,
  event: string,
  timeoutMs = 10_000,
): Promise<Args> {
  return new Promise((resolve, reject) => {
    const listener = (...args: unknown[]): void => {
      clearTimeout(timer);
      resolve(args as Args);
    };
    const timer = setTimeout(() => {
      emitter.off(event, listener);
      reject(new Error(`Waited ${timeoutMs} ms for the event "${event}"`));
    }, timeoutMs);
    emitter.once(event, listener);
  });
}
