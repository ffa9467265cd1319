/** Chance that can be repeated: the same seed makes the same choices in the same order. */

export interface Random {
  /** At least 0, less than 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** True in this share of the calls. */
  chance(share: number): boolean;
  pick<T>(list: readonly T[]): T;
  shuffled<T>(list: readonly T[]): T[];
  /** A stream of its own, so that what one part draws does not depend on how far another has come. */
  fork(): Random;
}

/** The mulberry32 generator: 32 bits of state, plenty for choosing what a client does next. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const between = (low: number, high: number): number =>
    low + Math.floor(next() * (high - low + 1));
  function pick<T>(list: readonly T[]): T {
    const chosen = list[between(0, list.length - 1)];
    if (chosen === undefined) throw new RangeError('Nothing to pick from');
    return chosen;
  }
  function shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    return list.map(() => {
      const [taken] = left.splice(between(0, left.length - 1), 1);
      return taken as T;
    });
  }
  return {
    next,
    between,
    chance: (share) => next() < share,
    pick,
    shuffled,
    fork: () => createRandom(Math.floor(next() * 2 ** 32)),
  };
}
