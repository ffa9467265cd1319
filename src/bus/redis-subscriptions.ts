/**
 * Which topics this node wants to hear, and which of them Redis has confirmed on the present link.
 *
 * Guarantees: the last wish wins, however `want` and `unwant` interleave with Redis's answers; a
 * promise of `want` settles within `timeoutMs`, link or no link; a topic stays wanted until
 * `unwant`, over any number of links. Commands carry at most `chunkTopics` topics and one is
 * under way at a time: wishes gather while it is, so a storm of joins is few commands.
 */

import { createDeadlineTimer } from '../shared/deadline-timer.ts';

/** The part of a link that this needs. */
export interface SubscribingLink {
  subscribe(channels: string[]): Promise<void>;
  unsubscribe(channels: string[]): Promise<void>;
}

export interface SubscriptionsDeps {
  channelOf(topic: string): string;
  /** How long a subscription may take to be in force. */
  timeoutMs: number;
  /** The most topics in one command. */
  chunkTopics: number;
  /** A subscription that was reported as failed is in force after all: payloads were missed. */
  onLate(): void;
}

export interface Subscriptions {
  /** Resolves when `topic` is heard; rejects after `timeoutMs`, or when it is unwanted first. */
  want(topic: string): Promise<void>;
  unwant(topic: string): void;
  /** Whether payloads of `topic` are for anyone here. */
  has(topic: string): boolean;
  size(): number;
  /** Subscribes everything wanted on a new link; resolves when all of it is in force. */
  attach(link: SubscribingLink): Promise<void>;
  /** The link is gone: nothing is in force, everything stays wanted. */
  detach(): void;
  /** Forgets everything; promises still open are rejected. */
  close(): void;
}

interface Topic {
  wanted: boolean;
  /** Whether the last command sent on this link was SUBSCRIBE. */
  asked: boolean;
  /** Whether Redis has confirmed it. */
  inForce: boolean;
  /** Whether a caller was told that it failed. */
  refused: boolean;
  pending: Pending | undefined;
}

interface Pending {
  promise: Promise<void>;
  settle(error?: Error): void;
}

interface Attachment {
  link: SubscribingLink;
  busy: boolean;
}

/** The subscriptions of one bus; nothing is wished for at first. */
export function createSubscriptions(deps: SubscriptionsDeps): Subscriptions {
  const topics = new Map<string, Topic>();
  /** Topics whose wish and last command may differ, oldest first. */
  const dirty = new Set<string>();
  /** Topics whose subscription somebody waits for. */
  const waits = createDeadlineTimer<Topic>({
    onDue(topic) {
      topic.refused = true;
      topic.pending?.settle(new Error(`not subscribed within ${deps.timeoutMs} ms`));
    },
  });
  let attachment: Attachment | undefined;
  let scheduled: NodeJS.Immediate | undefined;

  function schedule(topic: string): void {
    dirty.add(topic);
    if (attachment === undefined || attachment.busy) return;
    // At the end of the turn, so that everything joined in it goes out together.
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      if (attachment !== undefined) void pump(attachment);
    });
  }

  async function pump(on: Attachment): Promise<void> {
    if (on.busy) return;
    on.busy = true;
    try {
      while (on === attachment && dirty.size > 0) await step(on);
    } catch {
      // The link has ended itself and told the bus why; `attach` on the next one starts over.
    } finally {
      on.busy = false;
    }
  }

  /** Brings Redis up to date with the oldest differences, and waits for its answers. */
  async function step(on: Attachment): Promise<void> {
    const joined: [string, Topic][] = [];
    const left: string[] = [];
    for (const name of dirty) {
      if (joined.length + left.length === deps.chunkTopics) break;
      dirty.delete(name);
      const topic = topics.get(name);
      if (topic === undefined) continue;
      if (topic.wanted && !topic.asked) {
        topic.asked = true;
        joined.push([name, topic]);
      } else if (!topic.wanted) {
        topics.delete(name);
        if (topic.asked) left.push(name);
      }
    }
    await Promise.all([
      left.length > 0 && on.link.unsubscribe(left.map(deps.channelOf)),
      joined.length > 0 && on.link.subscribe(joined.map(([name]) => deps.channelOf(name))),
    ]);
    if (on !== attachment) return;
    for (const [, topic] of joined) confirm(topic);
  }

  function confirm(topic: Topic): void {
    topic.inForce = true;
    topic.pending?.settle();
    if (topic.refused && topic.wanted) deps.onLate();
    topic.refused = false;
  }

  function pendingFor(topic: Topic): Pending {
    const { promise, resolve, reject } = withResolvers();
    waits.set(topic, performance.now() + deps.timeoutMs);
    const pending: Pending = {
      promise,
      settle(error) {
        waits.delete(topic);
        topic.pending = undefined;
        if (error === undefined) resolve();
        else reject(error);
      },
    };
    return pending;
  }

  function detach(): void {
    attachment = undefined;
    if (scheduled !== undefined) clearImmediate(scheduled);
    scheduled = undefined;
  }

  return {
    async want(name) {
      let topic = topics.get(name);
      if (topic === undefined) {
        topic = { wanted: true, asked: false, inForce: false, refused: false, pending: undefined };
        topics.set(name, topic);
      }
      topic.wanted = true;
      if (topic.inForce) return;
      topic.pending ??= pendingFor(topic);
      schedule(name);
      await topic.pending.promise;
    },

    unwant(name) {
      const topic = topics.get(name);
      if (topic === undefined || !topic.wanted) return;
      topic.wanted = false;
      topic.refused = false;
      topic.pending?.settle(new Error('unsubscribed before the subscription was in force'));
      if (attachment !== undefined && topic.asked) {
        schedule(name);
        return;
      }
      // Redis was not told, so nothing of it may stay: without a link these would pile up.
      topics.delete(name);
      dirty.delete(name);
    },

    has: (name) => topics.get(name)?.wanted === true,

    size: () => topics.size,

    async attach(link) {
      const on: Attachment = { link, busy: true };
      attachment = on;
      dirty.clear();
      for (const [name, topic] of topics) {
        topic.asked = false;
        topic.inForce = false;
        if (topic.wanted) dirty.add(name);
        else topics.delete(name);
      }
      // As many as there are now: wishes that come in meanwhile stand behind them in the set, and
      // must not keep the link from being called up for ever.
      for (let left = dirty.size; left > 0 && on === attachment; left -= deps.chunkTopics) {
        await step(on);
      }
      on.busy = false;
      void pump(on);
    },

    detach,

    close() {
      detach();
      for (const topic of topics.values()) topic.pending?.settle(new Error('the bus is closed'));
      topics.clear();
      dirty.clear();
    },
  };
}

function withResolvers() {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
