import { afterEach, describe, expect, it, vi } from 'vitest';
import { MAX_COUNTED_KEYS } from '../../src/bounds/limits.ts';
import { createFixedWindow } from '../../src/limits/fixed-window.ts';
import { waitFor } from '../support/wait.ts';

describe('a fixed window', () => {
  afterEach(() => vi.restoreAllMocks());

  it('counts per key, and anew in the next window', () => {
    let nowMs = 0;
    const window = createFixedWindow(2, 1_000, () => nowMs);
    expect(['a', 'a', 'a', 'b'].map((key) => window.take(key))).toEqual([true, true, false, true]);
    expect(['a', 'b', 'c'].map((key) => window.left(key))).toEqual([0, 1, 2]);
    expect(window.retryAfterSeconds()).toBe(1);
    nowMs = 1_000;
    expect(window.take('a')).toBe(true);
  });

  it('ends when its time has passed, though the clock was set back', async () => {
    const clock = vi.spyOn(Date, 'now');
    const window = createFixedWindow(1, 20);
    expect([window.take('a'), window.take('a')]).toEqual([true, false]);
    clock.mockReturnValue(Date.now() - 3_600_000);
    expect(window.retryAfterSeconds()).toBe(1);
    await waitFor(() => window.take('a'), { what: 'the next window', timeoutMs: 2_000 });
  });

  it('has `__proto__` as a key like any other', () => {
    const window = createFixedWindow(1, 60_000);
    expect([window.take('__proto__'), window.take('__proto__')]).toEqual([true, false]);
  });

  it('never makes a newcomer pay for others, however many there have been', () => {
    const window = createFixedWindow(1, 60_000);
    for (let n = 0; n < 3 * MAX_COUNTED_KEYS; n += 1) {
      if (!window.take(`key ${n}`)) throw new Error(`key ${n} was counted for another`);
    }
    expect([window.take('new'), window.take('new')]).toEqual([true, false]);
  });

  it('forgets the oldest of too many, and keeps what goes on', () => {
    const window = createFixedWindow(2, 60_000);
    window.take('gone');
    window.take('gone');
    window.take('goes on');
    for (let n = 0; n < MAX_COUNTED_KEYS; n += 1) {
      window.take(`key ${n}`);
      if (n % 10_000 === 0) window.take('goes on');
    }
    expect([window.left('gone'), window.left('goes on')]).toEqual([2, 0]);
    expect(window.left(`key ${MAX_COUNTED_KEYS - 1}`)).toBe(1);
  });
});
