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
  /** Topic → the nodes that hear it. */
  readonly topics: Map<string, Set<MemoryNode>>;
}

interface MemoryNode {
  deliver(topic: string, payload: Uint8Array): void;
}

export interface MemoryBusOptions {
  /** Left out: a hub of its own, so that the node is alone. */
  hub?: MemoryHub;
  /** Left out: a new one. */
  nodeId?: string;
}

/** A meeting point for memory buses. */
export function createMemoryHub(): MemoryHub {
  return { topics: new Map() };
}

/** A node's bus on `hub`. Payloads wait in the microtask queue, within the tick of the publisher. */
export function createMemoryBus(options: MemoryBusOptions = {}): Bus {
  const hub = options.hub ?? createMemoryHub();
  const nodeId = options.nodeId ?? randomUUID();
  const heard = new Set<string>();
  let receiver: ((topic: string, payload: Uint8Array) => void) | undefined;
  let closed = false;

  const self: MemoryNode = {
    deliver(topic, payload) {
      // Both may have changed since it was published.
      if (!closed && heard.has(topic)) receiver?.(topic, payload);
    },
  };

  function unsubscribe(topic: string): void {
    if (!heard.delete(topic)) return;
    const nodes = hub.topics.get(topic);
    nodes?.delete(self);
    if (nodes?.size === 0) hub.topics.delete(topic);
  }

  return {
    nodeId,

    publish(topic, payload) {
      const nodes = hub.topics.get(topic);
      if (closed || nodes === undefined) return;
      for (const node of nodes) {
        if (node === self) continue;
        const copy = Uint8Array.from(payload);
        queueMicrotask(() => node.deliver(topic, copy));
      }
    },

    async subscribe(topic) {
      if (closed) throw new Error('the bus is closed');
      if (heard.has(topic)) return;
      heard.add(topic);
      const nodes = hub.topics.get(topic);
      if (nodes === undefined) hub.topics.set(topic, new Set([self]));
      else nodes.add(self);
    },

    unsubscribe,

    onMessage(next) {
      receiver = next;
    },

    onGap() {
      // There is no link that could break, hence nothing to tell.
    },

    status() {
      return closed
        ? { ok: false, kind: 'memory', reason: 'closed' }
        : { ok: true, kind: 'memory' };
    },

    async close() {
      for (const topic of [...heard]) unsubscribe(topic);
      closed = true;
    },
  };
}
