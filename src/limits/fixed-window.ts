/**
 * Counts per key in windows of fixed length, in this process. For what must be decided at once and
 * concerns this node alone; what counts over all nodes is in user-limits.ts.
 *
 * Guarantees: no key is ever counted for another one, and a new key always begins at nothing. When
 * there are more keys than are remembered, those that were counted longest ago are forgotten.
 */
import { MAX_COUNTED_KEYS } from '../bounds/limits.ts';

export interface FixedWindow {
  /** Counts one, or as many `units`; whether that was within the limit. */
  take(key: string, units?: number): boolean;
  /** How many more of `key` are within the limit in the current window. */
  left(key: string): number;
  /** Whole seconds until the current window ends, at least 1. */
  retryAfterSeconds(): number;
}

/** @param now milliseconds of a clock that is never set back */
export function createFixedWindow(
  limit: number,
  windowMs: number,
  // Not the time of day: set back, it would make a window of a second one of an hour.
  now: () => number = () => performance.now(),
): FixedWindow {
  // Two halves, the older of which is forgotten as a whole: cheaper than an order of single keys.
  let recent = new Map<string, number>();
  let older = new Map<string, number>();
  let endsAtMs = 0;

  function roll(): void {
    if (now() < endsAtMs) return;
    endsAtMs = now() + windowMs;
    if (recent.size > 0) recent = new Map();
    if (older.size > 0) older = new Map();
  }

  const counted = (key: string): number => recent.get(key) ?? older.get(key) ?? 0;

  return {
    take(key, units = 1) {
      roll();
      const count = counted(key) + units;
      if (recent.size >= MAX_COUNTED_KEYS / 2 && !recent.has(key)) {
        older = recent;
        recent = new Map();
      }
      recent.set(key, count);
      return count <= limit;
    },
    left(key) {
      roll();
      return Math.max(0, limit - counted(key));
    },
    retryAfterSeconds: () => Math.max(1, Math.ceil((endsAtMs - now()) / 1000)),
  };
}
