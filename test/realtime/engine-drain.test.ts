/** Closing connections a few at a time, in time. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DRAIN_STEP_MS } from '../../src/bounds/realtime.ts';
import { closeSpread } from '../../src/realtime/engine-drain.ts';

/** Each timer comes so late. */
const LATE_MS = 0.3;

let nowMs = 0;
afterEach(() => vi.restoreAllMocks());

/** Time passes as this file says: by timers, which are late, and by what `close` takes. */
function slowMachine(): void {
  nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((done: () => void, ms = 0) => {
    nowMs += Math.max(ms, 1) + LATE_MS;
    queueMicrotask(done);
  }) as unknown as typeof setTimeout);
}

describe('closing spread over a time', () => {
  it.each([3_000, 600_000])('of %i ms takes no longer, on a slow machine', async (overMs) => {
    const steps = overMs / DRAIN_STEP_MS;
    const items = Array.from({ length: 2 * steps }, (_, item) => item);
    const closed = new Set<number>();
    slowMachine();
    const close = (item: number): void => {
      nowMs += 1;
      closed.add(item);
    };
    await closeSpread(items, overMs, close, () => closed.size < items.length);
    expect(closed.size).toBe(items.length);
    expect(nowMs).toBeGreaterThan(overMs - DRAIN_STEP_MS);
    expect(nowMs).toBeLessThan(overMs + 2 * DRAIN_STEP_MS);
  });
});
