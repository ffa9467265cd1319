/** Closing connections a few at a time, so that their clients do not all come back at once. */
import { DRAIN_STEP_MS } from '../bounds/realtime.ts';

/**
 * Hands `items` to `close` in random order, so that no group of clients reconnects together: one in a step
 * (`DRAIN_STEP_MS`) where there are no more than steps in `overMs`, which is then not used up; else in even
 * shares over all of it.
 *
 * @param goesOn asked before every step; false: nothing is left to be closed
 */
export async function closeSpread<T>(
  items: Iterable<T>,
  overMs: number,
  close: (item: T) => void,
  goesOn: () => boolean,
): Promise<void> {
  const waiting = shuffle([...items]);
  const steps = Math.max(Math.floor(overMs / DRAIN_STEP_MS), 1);
  const begunAtMs = performance.now();
  for (let step = 0; step < steps && goesOn(); step++) {
    const share = Math.ceil(waiting.length / (steps - step));
    for (const item of waiting.splice(0, share)) close(item);
    // Until a moment and not for a time: what every step is late by would add up to seconds.
    const dueMs = begunAtMs + (overMs * (step + 1)) / steps - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs, 0)));
  }
}

/** Random order (Fisher and Yates). */
function shuffle<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const other = items[j];
    const item = items[i];
    if (other === undefined || item === undefined) continue;
    items[i] = other;
    items[j] = item;
  }
  return items;
}
