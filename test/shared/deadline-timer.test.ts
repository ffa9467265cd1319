import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  afterUnref,
  createDeadlineTimer,
  type DeadlineTimerDeps,
} from '../../src/shared/deadline-timer.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Item = { name: string };
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

function timerOf(deps: Partial<DeadlineTimerDeps<Item>> = {}) {
  const due: string[] = [];
  const timer = createDeadlineTimer<Item>({ onDue: ({ name }) => void due.push(name), ...deps });
  const at = (inMs: number) => performance.now() + inMs;
  return { due, timer, at };
}

describe('one timer for many deadlines', () => {
  it('hands each out when it is due, with one timer, and none when nothing waits', () => {
    const { due, timer, at } = timerOf();
    timer.set(a, at(200));
    timer.set(b, at(100));
    timer.set(c, at(300));
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(99);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual(['b']);
    vi.advanceTimersByTime(200);
    expect(due).toEqual(['b', 'a', 'c']);
    expect([timer.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('hands out nothing that was called off, and what was put off later', () => {
    const { due, timer, at } = timerOf();
    timer.set(a, at(100));
    timer.set(b, at(100));
    vi.advanceTimersByTime(50);
    timer.delete(a);
    timer.set(b, at(100));
    vi.advanceTimersByTime(99);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual(['b']);
  });

  it('hands out nothing from within set, and lets what it hands out set again', () => {
    const due: string[] = [];
    const timer = createDeadlineTimer<Item>({
      onDue(item) {
        due.push(item.name);
        if (item === a) timer.set(b, 0);
        else if (due.length < 5) timer.set(item, performance.now() + 10);
      },
    });
    timer.set(a, 0);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual(['a', 'b']);
    vi.advanceTimersByTime(30);
    expect(due).toEqual(['a', 'b', 'b', 'b', 'b']);
  });

  it('leaves the event loop to others after so many', () => {
    const { due, timer, at } = timerOf({ maxPerTurn: 2 });
    for (let number = 0; number < 5; number += 1) timer.set({ name: `${number}` }, at(10));
    vi.advanceTimersByTime(10);
    expect(due).toEqual(['0', '1']);
    vi.advanceTimersToNextTimer();
    expect(due).toEqual(['0', '1', '2', '3']);
    vi.advanceTimersToNextTimer();
    expect(due).toEqual(['0', '1', '2', '3', '4']);
  });

  it('goes on when what it hands out throws', () => {
    const { due, timer, at } = timerOf({
      onDue(item) {
        if (item === a) throw new Error('a faulty owner');
        due.push(item.name);
      },
    });
    timer.set(a, at(10));
    timer.set(b, at(10));
    expect(() => vi.advanceTimersByTime(10)).toThrow('a faulty owner');
    vi.advanceTimersByTime(10);
    expect(due).toEqual(['b']);
  });

  it('looks every so often where it is told to, by what the clock says then', () => {
    let wallMs = 1_000_000;
    const { due, timer } = timerOf({ now: () => wallMs, tickMs: 500, after: afterUnref });
    timer.set(a, wallMs + 3_600_000);
    timer.set(b, wallMs + 7_200_000);
    vi.advanceTimersByTime(10_000);
    expect(due).toEqual([]);
    wallMs += 3_600_000; // It is set forward …
    vi.advanceTimersByTime(500);
    expect(due).toEqual(['a']);
    wallMs -= 3_600_000; // … and back.
    vi.advanceTimersByTime(3_600_000);
    expect(due).toEqual(['a']);
  });

  it('waits for longer than a timer can', () => {
    const { due, timer, at } = timerOf();
    timer.set(a, at(2 ** 32));
    vi.advanceTimersByTime(2 ** 32 - 1);
    expect([due, vi.getTimerCount()]).toEqual([[], 1]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual(['a']);
  });

  it('ends', () => {
    const { due, timer, at } = timerOf();
    timer.set(a, at(10));
    timer.clear();
    expect([timer.size, vi.getTimerCount()]).toEqual([0, 0]);
    vi.advanceTimersByTime(10);
    expect(due).toEqual([]);
  });

  it('is never early nor more than a millisecond late, whatever is set and called off meanwhile', () => {
    const items = Array.from({ length: 8 }, (_, number) => ({ name: `${number}` }));
    const anyStep = fc.record({
      item: fc.constantFrom(...items),
      waitMs: fc.option(fc.integer({ min: 0, max: 50 })),
      passMs: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const dueAt = new Map<Item, number>();
        const timer = createDeadlineTimer<Item>({
          onDue(item) {
            const lateMs = performance.now() - (dueAt.get(item) ?? Number.NaN);
            expect(lateMs).toBeGreaterThanOrEqual(0);
            expect(lateMs).toBeLessThanOrEqual(1);
            dueAt.delete(item);
          },
        });
        for (const { item, waitMs, passMs } of steps) {
          if (waitMs === null) {
            expect(timer.delete(item)).toBe(dueAt.delete(item));
          } else {
            timer.set(item, performance.now() + waitMs);
            dueAt.set(item, performance.now() + waitMs);
          }
          vi.advanceTimersByTime(passMs);
        }
        vi.advanceTimersByTime(100);
        expect([dueAt.size, timer.size, vi.getTimerCount()]).toEqual([0, 0, 0]);
      }),
    );
  });
});
