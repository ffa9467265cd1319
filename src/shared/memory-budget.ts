/**
 * One budget for the memory that a process holds for what its clients have begun and not ended: bodies
 * and packets half received, packets that are worked on or wait, answers that wait to be fetched.
 *
 * Guarantees: what is held stays within the budget, whatever the number of clients. When one more byte
 * does not fit, holders are ended until a quarter is free: first those without identity, then those
 * that are known; of both the largest first. So the price is paid by whoever took most, and a flood of
 * strangers costs nobody who is known anything.
 */

/** Somebody memory is held for. */
export interface Holder {
  /** What the budget counts for it, bytes. Only the budget writes it. */
  heldBytes: number;
  /** Whether it is known who this is. */
  readonly identified: boolean;
  /** Ends this holder, because the budget is spent: it lets go of everything. */
  endForMemory(): void;
}

export interface MemoryBudget {
  /**
   * Counts `bytes` more for the holder. It may be ended here, like any other.
   *
   * @returns false when that has happened: nothing is counted for it, and nothing must be kept
   */
  hold(holder: Holder, bytes: number): boolean;
  /** Counts `bytes` less; more than is counted is no error. */
  release(holder: Holder, bytes: number): void;
  /** Counts nothing for the holder any more. */
  releaseAll(holder: Holder): void;
  stats(): MemoryBudgetStats;
}

export interface MemoryBudgetStats {
  readonly heldBytes: number;
  readonly maxBytes: number;
  /** Holders ended so far because the budget was spent. */
  readonly ended: { readonly strangers: number; readonly known: number };
}

/** So much is left of a full budget after a clearance: each sorts all holders. */
const KEPT_SHARE = 0.75;

/** A budget of `maxBytes`, of which nothing is held at first. */
export function createMemoryBudget(maxBytes: number): MemoryBudget {
  const holders = new Set<Holder>();
  const ended = { strangers: 0, known: 0 };
  let heldBytes = 0;

  function release(holder: Holder, bytes: number): void {
    const released = Math.min(bytes, holder.heldBytes);
    holder.heldBytes -= released;
    heldBytes -= released;
    if (holder.heldBytes === 0) holders.delete(holder);
  }

  function end(holder: Holder): void {
    ended[holder.identified ? 'known' : 'strangers'] += 1;
    release(holder, holder.heldBytes);
    holder.endForMemory();
  }

  function clear(): void {
    const byPrecedence = [...holders].sort(
      (a, b) => Number(a.identified) - Number(b.identified) || b.heldBytes - a.heldBytes,
    );
    for (const holder of byPrecedence) {
      if (heldBytes <= maxBytes * KEPT_SHARE) return;
      // Ending one can end others that it held something for.
      if (holders.has(holder)) end(holder);
    }
  }

  return {
    hold(holder, bytes) {
      if (bytes <= 0) return true;
      if (holder.heldBytes === 0) holders.add(holder);
      holder.heldBytes += bytes;
      heldBytes += bytes;
      if (heldBytes <= maxBytes) return true;
      clear();
      return holders.has(holder);
    },
    release,
    releaseAll: (holder) => release(holder, holder.heldBytes),
    stats: () => ({ heldBytes, maxBytes, ended }),
  };
}

/** Counts `bytes` for the holder until `work` has settled, as it does. A holder that ends is not awaited. */
export async function holdWhile<T>(
  memory: MemoryBudget,
  holder: Holder,
  bytes: number,
  work: Promise<T>,
): Promise<T> {
  memory.hold(holder, bytes);
  try {
    return await work;
  } finally {
    memory.release(holder, bytes);
  }
}
