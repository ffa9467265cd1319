/**
 * The bus without a network: nodes of one process, joined by a hub. What a single node runs on
 * when no Redis is configured, and what tests run several nodes on.
 *
 * Guarantees: all of bus.ts, and, having no link that could break, it never loses a payload nor
 * reports a gap. Delivery is asynchronous, as over a network: a receiver never runs inside the
 * `publish` that feeds it, and receives a copy that nobody else writes to.
 */
import { randomUUID } from 'node:crypto';
import type { Bus } from './bus.ts';

/** What joins several memory buses; make one for each group of nodes that should hear each other. */
export interface MemoryHub {
  /** All buses on this hub that are open. */
  readonly nodes: Set<MemoryNode>;
}

interface MemoryNode {
  epoch: string;
  hears(topic: string): boolean;
  deliver(topic: string, payload: Uint8Array): void;
}

export interface MemoryBusDeps {
  /** Where the node meets others; left out: it is alone. */
  hub?: MemoryHub;
  /** The node's name; left out: a new one. */
  nodeId?: string;
}

/** A meeting point for memory buses. */
export function createMemoryHub(): MemoryHub {
  return { nodes: new Set() };
}

/** A node's bus on `hub`. Payloads wait in the microtask queue, within the tick of the publisher. */
export function createMemoryBus(deps: MemoryBusDeps = {}): Bus {
  const { hub } = deps;
  const nodeId = deps.nodeId ?? randomUUID();
  // Stays empty on a node that is alone: a name for every connection and conversation is memory.
  const heard = new Set<string>();
  let receiver: ((topic: string, payload: Uint8Array) => void) | undefined;
  let closed = false;

  const self: MemoryNode = {
    epoch: '',
    hears: (topic) => heard.has(topic),
    deliver(topic, payload) {
      // It may have been unsubscribed since it was published.
      if (heard.has(topic)) receiver?.(topic, payload);
    },
  };
  hub?.nodes.add(self);

  return {
    nodeId,
    alone: hub === undefined,

    publish(topic, payload) {
      if (closed || hub === undefined) return;
      for (const node of hub.nodes) {
        if (node === self || node.epoch !== self.epoch || !node.hears(topic)) continue;
        const copy = Uint8Array.from(payload);
        queueMicrotask(() => node.deliver(topic, copy));
      }
    },

    enterEpoch(epoch) {
      self.epoch = epoch;
    },

    async subscribe(topic) {
      if (closed) throw new Error('the bus is closed');
      if (hub !== undefined) heard.add(topic);
    },

    unsubscribe(topic) {
      heard.delete(topic);
    },

    onMessage(next) {
      receiver = next;
    },

    onGap() {
      // There is no link that could break, hence nothing to tell.
    },

    onVanished() {
      // They are in this process.
    },

    hearsAll: () => !closed,

    lost: () => 0,

    status() {
      return closed
        ? { ok: false, kind: 'memory', reason: 'closed' }
        : { ok: true, kind: 'memory' };
    },

    async close() {
      hub?.nodes.delete(self);
      heard.clear();
      closed = true;
    },
  };
}
