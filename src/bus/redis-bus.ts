/**
 * The bus over Redis pub/sub: all of bus.ts, between processes.
 *
 * How it keeps the promises:
 * - The link counts as up when a probe has gone round it (publisher → Redis → subscriber) and as
 *   lost when one has not for `probeTimeoutMs`, or a connection closes, or an answer is overdue.
 *   Then both connections are thrown away and made anew, with jittered delays, for ever.
 * - While it is not up, `publish` drops and counts. Nothing waits for Redis to come back.
 * - After a loss, and after payloads were dropped, `onGap` fires as soon as a probe has gone round.
 *   A node that lost payloads of its own, or the link, also tells the others: their `onGap` fires too. Redis may
 *   have confirmed payloads that nobody heard, where it was no primary any more.
 * - No error of Redis leaves this module but as a rejected `subscribe` and in `status`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CLOSE_POLL_MS } from '../bounds/bus.ts';
import { createRetry } from '../redis/retry.ts';
import type { Bus, BusStatus } from './bus.ts';
import { createGapNotices } from './gap-notices.ts';
import { CAME, createPresence, LEFT } from './presence.ts';
import type { RedisBusDeps, RedisBusStats } from './redis-bus-deps.ts';
import { createChannels, createFraming } from './redis-channels.ts';
import { createRedisLink, type RedisLink } from './redis-link.ts';
import { createProbe } from './redis-probe.ts';
import type { RedisSender } from './redis-sender.ts';
import { createSubscriptions } from './redis-subscriptions.ts';

export type { RedisBusDeps, RedisBusLimits, RedisBusStats } from './redis-bus-deps.ts';

export type RedisBus = Bus & { stats(): RedisBusStats };

const NOTHING = new Uint8Array(0);

/**
 * A node's bus over `server`. Returns at once; connects, and connects again, by itself.
 * @throws RangeError when `nodeId` or the probe's limits make no sense.
 */
export function createRedisBus(deps: RedisBusDeps): RedisBus {
  const { nodeId, server, log } = deps;
  const { limits } = deps;
  let epoch = deps.epoch;
  let channels = createChannels(deps.prefix, epoch, nodeId);
  const framing = createFraming(nodeId);

  let receiver: ((topic: string, payload: Uint8Array) => void) | undefined;
  let gapListener: (() => void) | undefined;
  let vanishedListener: (() => void) | undefined;
  let closed = false;
  let closing: Promise<void> | undefined;

  let link: RedisLink | undefined;
  let sender: RedisSender | undefined;
  let up = false;
  let downReason = 'connecting';
  let downLogged = false;
  let downSince = performance.now();

  const dropped = { linkDown: 0, overBound: 0, tooLarge: 0, unconfirmed: 0 };
  const counts = { published: 0, received: 0, garbage: 0, receiverErrors: 0, linksUp: 0 };
  let roundTripMs: number | undefined;
  /** null: Redis does not tell, and there may be some. */
  let olderNodes: number | null = 0;

  const retry = createRetry({ maxPauseMs: limits.reconnectMaxDelayMs, connect });
  const gaps = createGapNotices({
    intervalMs: limits.gapIntervalMs,
    tellListener: () => contained(() => gapListener?.()),
    tellOthers: () => sender?.addUrgent(channels.gap, NOTHING),
  });

  const subscriptions = createSubscriptions({
    channelOf: (topic) => channels.ofTopic(topic),
    timeoutMs: limits.commandTimeoutMs,
    chunkTopics: limits.subscribeChunkTopics,
    onLate: gaps.owe,
  });

  const presence = createPresence(() => contained(() => vanishedListener?.()));

  const probe = createProbe({
    beat: deps.beat,
    intervalMs: limits.probeIntervalMs,
    timeoutMs: limits.probeTimeoutMs,
    send(payload) {
      sender?.addUrgent(channels.probe, payload);
      // Not at the end of the turn: the wait in our own queue is not Redis's.
      sender?.flush();
      if (link !== undefined) void count(link);
    },
    onProof: proven,
    onSilent: () => link?.fail(`no echo within ${limits.probeTimeoutMs} ms`),
  });

  // --- the life of the link

  function connect(): void {
    // Then it is not the server we need, or not there: its return is told.
    if (!server.status().ok) return;
    const made = createRedisLink({
      open: server.open,
      name: `bus:${nodeId}`,
      head: framing.head,
      commandTimeoutMs: limits.commandTimeoutMs,
      maxPendingBytes: limits.maxPendingBytes,
      trialChannel: channels.probe,
      onMessage: heard,
      onDown: lost,
    });
    link = made;
    open(made).catch((error: unknown) => made.fail(String(error)));
  }

  async function open(made: RedisLink): Promise<void> {
    const opened = await made.open();
    await made.subscribe([channels.probe, channels.gap, channels.nodes]);
    if (made === link) opened.addUrgent(channels.nodes, Buffer.from(CAME));
    await subscriptions.attach(made);
    if (made !== link) return;
    sender = opened;
    probe.start();
  }

  /** With the probe, so that an idle process wakes up once for both. */
  async function count(on: RedisLink): Promise<void> {
    const counted = await on.countListeners([channels.nodes, channels.olderNodes]);
    if (on !== link) return;
    olderNodes = counted?.[1] ?? null;
    if (counted !== null) presence.counted(counted[0] ?? 0);
  }

  function proven(tookMs: number): void {
    roundTripMs = tookMs;
    const isBack = !up;
    if (isBack) cameUp();
    gaps.proven(isBack);
  }

  function cameUp(): void {
    up = true;
    retry.succeeded();
    counts.linksUp += 1;
    const downForMs = Math.round(performance.now() - downSince);
    log.info({ downForMs, topics: subscriptions.size() }, 'the Redis link is up');
    downLogged = false;
  }

  function lost(reason: string): void {
    const unconfirmed = sender?.unconfirmed().payloads ?? 0;
    dropped.unconfirmed += unconfirmed;
    if (up) gaps.oweAll();
    link = undefined;
    sender = undefined;
    probe.stop();
    presence.forget();
    subscriptions.detach();
    if (closed) return;

    if (up) downSince = performance.now();
    up = false;
    downReason = reason;
    gaps.owe();
    // Once for each outage: what each further attempt ran into is in `status`.
    if (!downLogged) log.warn({ reason }, 'the Redis link is down');
    downLogged = true;
    retry.later();
  }

  // --- payloads

  function drop(cause: 'linkDown' | 'overBound' | 'tooLarge'): void {
    dropped[cause] += 1;
    gaps.oweAll();
  }

  function heard(channelBytes: Buffer, bytes: Buffer): void {
    const channel = channels.read(channelBytes);
    const frame = framing.read(bytes);
    if (frame === undefined || frame.payload.length > limits.maxPayloadBytes) {
      counts.garbage += 1;
      gaps.owe();
      return;
    }
    if (channel.kind === 'probe' && frame.own) {
      probe.heard(frame.payload);
    } else if (channel.kind === 'gap' && !frame.own) {
      gaps.owe();
    } else if (channel.kind === 'nodes' && !frame.own) {
      presence.said(frame.payload.toString('latin1'));
    } else if (channel.kind === 'topic' && !frame.own && subscriptions.has(channel.topic)) {
      counts.received += 1;
      const isTaken = contained(() => receiver?.(channel.topic, frame.payload));
      if (!isTaken) gaps.owe();
    }
  }

  /** Runs a callback of the owner, false if it throws: that must not unwind through ioredis's parser. */
  function contained(callback: () => void): boolean {
    try {
      callback();
      return true;
    } catch (error) {
      counts.receiverErrors += 1;
      log.error({ err: error }, 'a receiver of the bus threw');
      return false;
    }
  }

  async function end(silently: boolean): Promise<void> {
    closed = true;
    retry.cancel();
    probe.stop();
    receiver = undefined;
    gapListener = undefined;
    vanishedListener = undefined;
    subscriptions.close();
    downReason = 'closed';
    if (!silently) sender?.addUrgent(channels.nodes, Buffer.from(LEFT));
    // What was published just before still goes out, if Redis takes it in time.
    sender?.flush();
    const deadline = performance.now() + limits.commandTimeoutMs;
    while ((sender?.unconfirmed().bytes ?? 0) > 0 && performance.now() < deadline) {
      await sleep(CLOSE_POLL_MS);
    }
    up = false;
    link?.fail('closed');
  }

  server.onUp(() => {
    if (link !== undefined || closed) return;
    retry.cancel();
    connect();
  });
  server.onDown((reason) => link?.fail(reason));
  connect();

  return {
    nodeId,
    alone: false,

    publish(topic, payload) {
      if (closed) return;
      if (!up || sender === undefined) drop('linkDown');
      else if (payload.byteLength > limits.maxPayloadBytes) drop('tooLarge');
      else if (sender.add(channels.ofTopic(topic), payload)) counts.published += 1;
      else drop('overBound');
    },

    enterEpoch(next) {
      if (next === epoch) return;
      epoch = next;
      channels = createChannels(deps.prefix, epoch, nodeId);
      // Everything is subscribed anew under its new name, and the gap until then is told.
      link?.fail('PostgreSQL is another database than before');
    },

    async subscribe(topic) {
      if (closed) throw new Error('the bus is closed');
      await subscriptions.want(topic);
    },

    unsubscribe: subscriptions.unwant,

    onMessage(next) {
      receiver = next;
    },

    onGap(listener) {
      gapListener = listener;
    },

    onVanished(listener) {
      vanishedListener = listener;
    },

    hearsAll: () => up && !closed && olderNodes === 0,

    lost: () => dropped.linkDown + dropped.overBound + dropped.tooLarge + dropped.unconfirmed,

    status(): BusStatus {
      if (up && !closed) return { ok: true, kind: 'redis' };
      const verdict = server.status();
      const reason = verdict.ok || closed ? downReason : verdict.reason;
      return { ok: false, kind: 'redis', reason };
    },

    close(how = { silently: false }) {
      closing ??= end(how.silently);
      return closing;
    },

    stats: () => ({
      ...counts,
      gaps: gaps.count(),
      dropped: { ...dropped },
      topics: subscriptions.size(),
      pendingBytes: sender?.unconfirmed().bytes ?? 0,
      roundTripMs,
    }),
  };
}
