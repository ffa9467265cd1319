/**
 * Senders seen lately, so that a batch need not look every one of them up again.
 *
 * Guarantees: an entry answers only for the membership version it was read under. Every insert and
 * delete of a participant raises that version (sql/0004), and it is compared under the
 * conversation's lock: a removed sender is never taken for a member. A name may be as old as
 * `lifeMs`: renaming belongs to another service and raises nothing here.
 */

export interface CachedSender {
  membersVersion: number;
  name: string | null;
}

export interface SenderCache {
  get(pair: string): CachedSender | undefined;
  put(pair: string, sender: CachedSender): void;
  /** Forgets all: PostgreSQL is another one, or has gone back, and versions count anew from there. */
  clear(): void;
}

export interface SenderCacheLimits {
  /** Most senders kept; the longest kept goes first. */
  maxEntries: number;
  lifeMs: number;
}

interface Entry extends CachedSender {
  expiresAt: number;
}

export function createSenderCache({ maxEntries, lifeMs }: SenderCacheLimits): SenderCache {
  const entries = new Map<string, Entry>();
  return {
    get: (pair) => {
      const entry = entries.get(pair);
      return entry !== undefined && entry.expiresAt > performance.now() ? entry : undefined;
    },
    put: (pair, sender) => {
      // Deleted first, so that the map's order is that of the times.
      entries.delete(pair);
      entries.set(pair, { ...sender, expiresAt: performance.now() + lifeMs });
      if (entries.size <= maxEntries) return;
      for (const oldest of entries.keys()) {
        entries.delete(oldest);
        return;
      }
    },
    clear: () => entries.clear(),
  };
}
