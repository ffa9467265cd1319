import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { atBoundedRate } from '../../src/shared/bounded-rate.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('runs once for all who ask meanwhile', async () => {
  let runs = 0;
  let end: (value: number) => void = () => undefined;
  const ask = atBoundedRate(
    () => {
      runs += 1;
      return new Promise<number>((resolve) => {
        end = resolve;
      });
    },
    { most: 1, windowMs: 10 },
  );
  const first = [ask(), ask()];
  // Longer than a window: still one at a time.
  vi.advanceTimersByTime(50);
  first.push(ask());
  end(7);
  expect([await Promise.all(first), runs]).toEqual([[7, 7, 7], 1]);
});

it('gives what is new until the window’s runs are used up, and then the latest, failed or not', async () => {
  let runs = 0;
  const ask = atBoundedRate(
    async () => {
      runs += 1;
      if (runs % 2 === 0) throw new Error(`run ${runs}`);
      return runs;
    },
    { most: 2, windowMs: 1_000 },
  );
  const said = () => ask().catch((error: Error) => error.message);
  const all: unknown[] = [];
  for (let n = 0; n < 5; n += 1) all.push(await said());
  expect(all).toEqual([1, 'run 2', 'run 2', 'run 2', 'run 2']);
  vi.advanceTimersByTime(999);
  expect(await said()).toBe('run 2');
  vi.advanceTimersByTime(1);
  expect([await said(), await said(), await said()]).toEqual([3, 'run 4', 'run 4']);
});
