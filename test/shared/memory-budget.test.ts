import { describe, expect, it } from 'vitest';
import { createMemoryBudget, type Holder } from '../../src/shared/memory-budget.ts';

const MAX_BYTES = 1_000;

function setting() {
  const budget = createMemoryBudget(MAX_BYTES);
  const ended: string[] = [];
  const holder = (name: string, identified: boolean): Holder => ({
    heldBytes: 0,
    identified,
    endForMemory: () => void ended.push(name),
  });
  return { budget, ended, holder };
}

describe('a budget', () => {
  it('holds up to its maximum, and ends nobody within it', () => {
    const { budget, ended, holder } = setting();
    const a = holder('a', false);
    const b = holder('b', true);
    expect(budget.hold(a, 400)).toBe(true);
    expect(budget.hold(b, 600)).toBe(true);
    budget.release(a, 100);
    expect(budget.hold(b, 100)).toBe(true);
    expect(ended).toEqual([]);
    expect(budget.stats()).toMatchObject({ heldBytes: 1_000, maxBytes: MAX_BYTES });
  });

  it('ends those without identity first, the largest of them first, until a quarter is free', () => {
    const { budget, ended, holder } = setting();
    const known = holder('known', true);
    budget.hold(known, 500);
    const small = holder('small', false);
    budget.hold(small, 50);
    const large = holder('large', false);
    budget.hold(large, 200);
    const middle = holder('middle', false);
    budget.hold(middle, 150);
    const last = holder('last', false);
    expect(budget.hold(last, 101)).toBe(true);
    // 1001 held: without the largest 801, without the next 651.
    expect(ended).toEqual(['large', 'middle']);
    expect(budget.stats()).toMatchObject({ heldBytes: 651, ended: { strangers: 2, known: 0 } });
    expect([large.heldBytes, small.heldBytes]).toEqual([0, 50]);
  });

  it('then those that are known, the largest first', () => {
    const { budget, ended, holder } = setting();
    budget.hold(holder('stranger', false), 10);
    budget.hold(holder('modest', true), 300);
    const greedy = holder('greedy', true);
    expect(budget.hold(greedy, 650)).toBe(true);
    expect(budget.hold(greedy, 100)).toBe(false);
    expect(ended).toEqual(['stranger', 'greedy']);
    expect(budget.stats()).toEqual({
      heldBytes: 300,
      maxBytes: MAX_BYTES,
      ended: { strangers: 1, known: 1 },
    });
    expect(greedy.heldBytes).toBe(0);
  });

  it('takes no holder that alone is too large', () => {
    const { budget, ended, holder } = setting();
    expect(budget.hold(holder('huge', true), MAX_BYTES + 1)).toBe(false);
    expect(ended).toEqual(['huge']);
    expect(budget.stats().heldBytes).toBe(0);
  });

  it('counts nothing below nothing, nor for whoever has let go', () => {
    const { budget, holder } = setting();
    const a = holder('a', true);
    budget.hold(a, 100);
    budget.release(a, 300);
    budget.releaseAll(a);
    budget.hold(a, 0);
    expect(budget.stats().heldBytes).toBe(0);
    budget.hold(a, 70);
    budget.releaseAll(a);
    expect([a.heldBytes, budget.stats().heldBytes]).toEqual([0, 0]);
  });

  it('ends a holder once, also when its end releases and ends others', () => {
    const budget = createMemoryBudget(MAX_BYTES);
    const ended: string[] = [];
    const second: Holder = { heldBytes: 0, identified: false, endForMemory: () => ended.push('b') };
    const first: Holder = {
      heldBytes: 0,
      identified: false,
      endForMemory() {
        ended.push('a');
        budget.releaseAll(first);
        budget.releaseAll(second);
      },
    };
    budget.hold(second, 400);
    budget.hold(first, 601);
    expect(ended).toEqual(['a']);
    expect(budget.stats().heldBytes).toBe(0);
  });

  it('clears a hundred thousand holders in a moment', () => {
    const budget = createMemoryBudget(100_000);
    let ended = 0;
    const startedMs = performance.now();
    for (let i = 0; i < 200_000; i++) {
      budget.hold({ heldBytes: 0, identified: i % 2 === 0, endForMemory: () => ended++ }, 1);
    }
    expect(ended).toBeGreaterThan(99_000);
    expect(budget.stats().heldBytes).toBeLessThanOrEqual(100_000);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });
});
