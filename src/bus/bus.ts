/**
 * The bus carries opaque payloads between the nodes of one deployment that talk to the same database.
 *
 * What an implementation promises (the contract suite in test/bus holds both twins to it):
 * - At most once. A payload published while the link is down, or in the moment it breaks, is gone;
 *   `publish` never blocks, never throws and never queues without a bound.
 * - Payloads of one publisher on one topic arrive in the order published; between publishers and
 *   between topics there is no order.
 * - A node does not hear its own payloads: it has already delivered them itself.
 * - After `subscribe` resolves, everything another node publishes on the topic arrives, while the
 *   link is up. It rejects (or the link reports a gap) when that cannot be had in time; the topic
 *   stays wanted and is subscribed again when the link comes back.
 * - Whenever payloads may have been missed (link lost, resubscribed, dropped on a bound, not understood), `onGap`
 *   fires once the link works again, so that receivers refill from PostgreSQL.
 * - When another node vanishes without a word, what it had to say may never have been said: `onVanished` fires.
 *
 * Nothing here decides anything: PostgreSQL is the truth, the bus only makes it fast.
 */
export interface Bus {
  /** This node's name, unique per process start. */
  readonly nodeId: string;
  /** Whether there is, and will be, no other node: then nothing need be published. */
  readonly alone: boolean;
  /** Hands `payload` to every other node subscribed to `topic`. Fire and forget. */
  publish(topic: string, payload: Uint8Array): void;
  /**
   * Goes over to another database: from now on only nodes that talk to it too hear this one, and are heard.
   * What was said meanwhile by nodes that noticed sooner is a gap.
   */
  enterEpoch(epoch: string): void;
  /** Starts hearing `topic`; idempotent. Resolves when the subscription is in force. */
  subscribe(topic: string): Promise<void>;
  /** Stops hearing `topic`; idempotent. */
  unsubscribe(topic: string): void;
  /** Sets the one receiver of payloads. The bytes may be kept. */
  onMessage(receiver: (topic: string, payload: Uint8Array) => void): void;
  /** Sets the one listener told that payloads may have been missed and the link works again. */
  onGap(listener: () => void): void;
  /** Sets the one listener told that another node has vanished without a word; all the others are told as well. */
  onVanished(listener: () => void): void;
  /** Whether the link works, and it is known that there is no node of an older version, which cannot be heard. */
  hearsAll(): boolean;
  /** How many payloads of this node went nowhere, or perhaps did, since it started. */
  lost(): number;
  /** Whether the link works now, proved by an echo, not assumed; `reason` when it does not. */
  status(): BusStatus;
  /** Ends the link; nothing is delivered afterwards. `silently`: to the others this node has vanished. */
  close(how?: { silently: boolean }): Promise<void>;
}

export type BusStatus = { ok: true; kind: BusKind } | { ok: false; kind: BusKind; reason: string };

export type BusKind = 'memory' | 'redis';
