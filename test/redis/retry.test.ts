import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createRetry } from '../../src/redis/retry.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A retry whose pauses are the longest that the jitter allows. */
function setUp() {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const connect = vi.fn();
  return { connect, retry: createRetry({ maxPauseMs: 300, connect }) };
}

it('waits longer after every attempt, up to a bound, and from the start after a success', () => {
  const { connect, retry } = setUp();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (attempt === 4) retry.succeeded();
    const sinceMs = performance.now();
    retry.later();
    vi.advanceTimersToNextTimer();
    pauses.push(performance.now() - sinceMs);
  }
  expect(pauses).toEqual([50, 100, 200, 300, 50]);
  expect(connect).toHaveBeenCalledTimes(5);
});

it('has one attempt to come, however often it is asked, and none once it is cancelled', () => {
  const { connect, retry } = setUp();
  retry.later();
  retry.later();
  expect([retry.isDue(), vi.getTimerCount()]).toEqual([true, 1]);
  vi.advanceTimersByTime(50);
  expect([retry.isDue(), connect.mock.calls.length]).toEqual([false, 1]);
  retry.later();
  retry.cancel();
  expect([retry.isDue(), vi.getTimerCount()]).toEqual([false, 0]);
});
