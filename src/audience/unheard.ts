/**
 * What others may not have heard from this node, told to all nodes through PostgreSQL (a notice), which works
 * while Redis does not: payloads that went nowhere, and messages that may be stored although their sender
 * was told that nobody knows.
 *
 * Guarantees: it is told within an interval, again at each interval in which there is more, and until PostgreSQL
 * has taken it; by conversation while these are few. At the end of the node what is left is told once more.
 */
import { MAX_UNHEARD_NAMED, UNSURE_FOR_MS } from '../bounds/audience.ts';
import type { Bus } from '../bus/bus.ts';
import type { Store } from '../chat/ports.ts';
import type { Beat } from '../shared/beat.ts';
import type { CanonicalId } from '../shared/ids.ts';

export interface UnheardDeps {
  store: Pick<Store, 'noteUnheard'>;
  bus: Pick<Bus, 'nodeId' | 'alone' | 'lost'>;
  beat: Beat;
  intervalMs: number;
  log: { debug(fields: object, message: string): void };
}

export interface Unheard {
  /** To be called when a message in this conversation may be stored that nobody has been told of. */
  add(conversationId: CanonicalId): void;
  /** Whether a message may still be stored of which nobody has been told. */
  isUnsure(): boolean;
  /** From here on nothing is told by itself. */
  close(): void;
  /** Tells what is left, in one attempt; never rejects. */
  lastWord(): Promise<void>;
}

/** What a node has to tell; nothing at first. */
export function createUnheard({ store, bus, beat, intervalMs, log }: UnheardDeps): Unheard {
  let named = new Set<CanonicalId>();
  /** Whether there are more than are named. */
  let isAny = false;
  let lost = 0;
  let addedAt = Number.NEGATIVE_INFINITY;
  let telling: Promise<void> | null = null;

  async function tell(): Promise<void> {
    const lostNow = bus.lost();
    const told = { named, isAny: isAny || lostNow > lost };
    if (!told.isAny && named.size === 0) return;
    // What comes meanwhile may be younger than the notice.
    named = new Set();
    isAny = false;
    try {
      await store.noteUnheard(bus.nodeId, told.isAny ? null : [...told.named]);
      lost = lostNow;
    } catch (error) {
      log.debug({ err: error }, 'other nodes are told later what they may not have heard');
      isAny ||= told.isAny;
      for (const conversationId of told.named) name(conversationId);
    }
  }

  function tellAlone(): Promise<void> {
    telling ??= tell().finally(() => {
      telling = null;
    });
    return telling;
  }

  function name(conversationId: CanonicalId): void {
    if (bus.alone || isAny) return;
    if (named.size < MAX_UNHEARD_NAMED) named.add(conversationId);
    else isAny = true;
  }

  const endBeat = beat.every(intervalMs, () => {
    if (!bus.alone) void tellAlone();
  });
  return {
    add(conversationId) {
      addedAt = performance.now();
      name(conversationId);
    },
    isUnsure: () => performance.now() - addedAt < UNSURE_FOR_MS,
    close: endBeat,
    async lastWord() {
      if (bus.alone) return;
      await telling;
      await tellAlone();
    },
  };
}
