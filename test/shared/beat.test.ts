import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createBeat } from '../../src/shared/beat.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('what recurs comes at the same moments, whenever it began', () => {
  const beat = createBeat();
  const moments: Record<string, number[]> = { a: [], b: [], half: [] };
  const note = (name: string) => () => moments[name]?.push(performance.now());
  beat.every(1_000, note('a'));
  vi.advanceTimersByTime(370);
  beat.every(1_000, note('b'));
  vi.advanceTimersByTime(180);
  beat.every(500, note('half'));
  vi.advanceTimersByTime(3_000);
  expect(moments.a).toHaveLength(3);
  expect(moments.b).toEqual(moments.a);
  expect(moments.half).toHaveLength(6);
  expect(moments.half).toEqual(expect.arrayContaining(moments.a ?? []));
  // At whole seconds, and never before.
  for (const atMs of moments.a ?? []) expect(atMs % 1_000).toBeLessThan(3);
});

it('leaves out what is missed, and ends when it is told to', () => {
  const beat = createBeat();
  let calls = 0;
  const end = beat.every(100, () => {
    calls += 1;
  });
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10_000);
  vi.advanceTimersToNextTimer();
  expect(calls).toBe(1);
  vi.restoreAllMocks();
  end();
  vi.advanceTimersByTime(20_000);
  expect(calls).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});
