/**
 * Counts per key in windows of fixed length, in this process. For what must be decided at once and
 * concerns this node alone; what counts over all nodes is in user-limits.ts.
 */

export interface FixedWindow {
  /** Counts one; whether it was within the limit. */
  take(key: string): boolean;
  /** Counts one; how many there have been in the current window, with it. */
  count(key: string): number;
  /** Whether `key` has used up its share of the current window. */
  isSpent(key: string): boolean;
  /** Whole seconds until the current window ends, at least 1. */
  retryAfterSeconds(): number;
}

/** Keys remembered in one window; beyond it new ones share an entry, so memory stays bounded. */
const MAX_KEYS = 100_000;
const OVERFLOW = '…';

export function createFixedWindow(
  limit: number,
  windowMs: number,
  // Not the time of day: set back, it would make a window of a second one of an hour.
  now: () => number = () => performance.now(),
): FixedWindow {
  let counts = new Map<string, number>();
  let endsAtMs = 0;

  function roll(): void {
    if (now() < endsAtMs) return;
    endsAtMs = now() + windowMs;
    if (counts.size > 0) counts = new Map();
  }

  const slot = (key: string): string => {
    return counts.has(key) || counts.size < MAX_KEYS ? key : OVERFLOW;
  };

  function count(key: string): number {
    roll();
    const at = slot(key);
    const counted = (counts.get(at) ?? 0) + 1;
    counts.set(at, counted);
    return counted;
  }

  return {
    take: (key) => count(key) <= limit,
    count,
    isSpent(key) {
      roll();
      return (counts.get(slot(key)) ?? 0) >= limit;
    },
    retryAfterSeconds: () => Math.max(1, Math.ceil((endsAtMs - now()) / 1000)),
  };
}
