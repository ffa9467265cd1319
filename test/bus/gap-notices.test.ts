import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createGapNotices } from '../../src/bus/gap-notices.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp() {
  const told: string[] = [];
  const gaps = createGapNotices({
    intervalMs: 1_000,
    tellListener: () => void told.push('listener'),
    tellOthers: () => void told.push('others'),
  });
  return { told, gaps };
}

it('tells nobody before the link is proved, and each gap once', () => {
  const { told, gaps } = setUp();
  gaps.owe();
  expect(told).toEqual([]);
  gaps.proven(true);
  gaps.proven(false);
  expect([told, gaps.count()]).toEqual([['listener'], 1]);
});

it('tells the others, too, when payloads of this node were lost', () => {
  const { told, gaps } = setUp();
  gaps.oweAll();
  gaps.proven(false);
  expect(told).toEqual(['others', 'listener']);
});

it('gathers gaps while the link stays up, and waits for nothing when it is back', () => {
  const { told, gaps } = setUp();
  gaps.owe();
  gaps.proven(false);
  gaps.owe();
  vi.advanceTimersByTime(999);
  gaps.proven(false);
  expect(told).toHaveLength(1);
  vi.advanceTimersByTime(1);
  gaps.proven(false);
  expect(told).toHaveLength(2);
  gaps.owe();
  gaps.proven(true);
  expect(told).toHaveLength(3);
});
