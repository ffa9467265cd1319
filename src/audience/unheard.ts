/**
 * What others may not have heard from this node, told to all nodes through PostgreSQL (a notice), which works
 * while Redis does not: payloads that went nowhere, and messages that may be stored although their sender
 * was told that nobody knows.
 *
 * Guarantees: it is told within an interval, again at each interval in which there is more, and until PostgreSQL
 * has taken it; by conversation while these are few.
 */
import { MAX_UNHEARD_NAMED } from '../bounds/audience.ts';
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
  close(): void;
}

/** What a node has to tell; nothing at first. */
export function createUnheard({ store, bus, beat, intervalMs, log }: UnheardDeps): Unheard {
  let named = new Set<CanonicalId>();
  /** Whether there are more than are named. */
  let isAny = false;
  let lost = 0;
  let telling = false;

  async function tell(): Promise<void> {
    const lostNow = bus.lost();
    const told = { named, isAny: isAny || lostNow > lost };
    if (!told.isAny && named.size === 0) return;
    // What comes meanwhile may be younger than the notice.
    named = new Set();
    isAny = false;
    telling = true;
    try {
      await store.noteUnheard(bus.nodeId, told.isAny ? null : [...told.named]);
      lost = lostNow;
    } catch (error) {
      log.debug({ err: error }, 'other nodes are told later what they may not have heard');
      isAny ||= told.isAny;
      for (const conversationId of told.named) add(conversationId);
    } finally {
      telling = false;
    }
  }

  function add(conversationId: CanonicalId): void {
    if (bus.alone || isAny) return;
    if (named.size < MAX_UNHEARD_NAMED) named.add(conversationId);
    else isAny = true;
  }

  const endBeat = beat.every(intervalMs, () => {
    if (!telling && !bus.alone) void tell();
  });
  return {
    add,
    close: endBeat,
  };
}
