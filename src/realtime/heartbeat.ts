/**
 * One timer for every session: a wheel of buckets over the ping interval, and queues of deadlines
 * that share its ticks.
 *
 * Guarantees: a member is pinged for the first time two to three ticks before a full interval has
 * passed (a client counts from the handshake, so early is safe and late is not), then once per
 * interval; a member without a pong is reported `pingTimeoutMs` after the ping, at most a tick
 * late. Time is counted in ticks: when the process stalls, the missed ticks beyond half a ping
 * timeout are dropped instead of caught up, so that a stall does not look like everybody's silence.
 *
 * The wheel is not a `DeadlineQueue`: a session that is pinged for as long as it lives would be put into
 * one anew at every interval, and what is due in a bucket is published once for all of it.
 */
import { createDeadlineQueue } from '../shared/deadline-queue.ts';

/** What the wheel keeps in its members, so that it needs no map. Set by the wheel only. */
export interface Beating {
  bucket: number;
  slot: number;
  /** The tick of the last pong; the owner sets it to `tick()` when one arrives. */
  pongTick: number;
}

/** Things that are due a fixed time after they were added, the oldest first. */
export interface TickDeadlines<T> {
  /** Starts (or restarts) the wait for `item`. */
  add(item: T): void;
  delete(item: T): void;
  readonly size: number;
}

export interface Heartbeat<M extends Beating> {
  /** The current tick. */
  tick(): number;
  add(member: M): void;
  remove(member: M): void;
  /** A queue whose items are handed to `onDue` once, `ms` after they were added and removed first. */
  deadlines<T extends NonNullable<unknown>>(ms: number, onDue: (item: T) => void): TickDeadlines<T>;
  stop(): void;
}

export interface HeartbeatDeps<M extends Beating> {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** Called when a bucket's turn has come: its members are to be pinged. Not called for an empty bucket. */
  readonly onPing: (bucket: number, members: readonly M[]) => void;
  /** Called for a member that did not answer in time. It is expected to be removed meanwhile. */
  readonly onTimeout: (member: M) => void;
  /** Called when a callback threw. */
  readonly onError: (error: unknown) => void;
}

/** Ticks per interval, before the bounds below. */
const TICKS_PER_INTERVAL = 100;
const MIN_TICK_MS = 5;
const MAX_TICK_MS = 50;
/** How many ticks before the end of its first interval a member is pinged. */
const EARLY_TICKS = 2;

/** The wheel turns until `stop`; its timer does not keep the process alive. */
export function createHeartbeat<M extends Beating>(deps: HeartbeatDeps<M>): Heartbeat<M> {
  const { pingIntervalMs, pingTimeoutMs, onPing, onTimeout, onError } = deps;
  const wantedMs = Math.min(
    Math.max(pingIntervalMs / TICKS_PER_INTERVAL, MIN_TICK_MS),
    MAX_TICK_MS,
  );
  const size = Math.max(Math.round(pingIntervalMs / wantedMs), EARLY_TICKS + 2);
  const tickMs = pingIntervalMs / size;
  const timeoutTicks = Math.max(Math.ceil(pingTimeoutMs / tickMs), 1);
  const maxCatchUpTicks = Math.max(Math.ceil(timeoutTicks / 2), 1);

  const buckets: M[][] = Array.from({ length: size }, () => []);
  /** Hand out what is due now, of each queue. */
  const handOuts: (() => void)[] = [];
  let now = 0;
  let startedMs = performance.now();
  let stopped = false;
  let timer = setTimeout(turn, tickMs).unref();

  function turn(): void {
    const elapsed = Math.floor((performance.now() - startedMs) / tickMs);
    const behind = elapsed - now;
    if (behind > maxCatchUpTicks) startedMs += (behind - maxCatchUpTicks) * tickMs;
    const until = now + Math.min(behind, maxCatchUpTicks);
    while (now < until && !stopped) step();
    if (stopped) return;
    const nextMs = startedMs + (now + 1) * tickMs - performance.now();
    timer = setTimeout(turn, Math.max(nextMs, 1)).unref();
  }

  function step(): void {
    now++;
    const bucket = now % size;
    const members = buckets[bucket] ?? [];
    if (members.length > 0) guard(() => onPing(bucket, members));
    const pingTick = now - timeoutTicks;
    if (pingTick > 0) expire(buckets[pingTick % size] ?? [], pingTick);
    for (const handOut of handOuts) handOut();
  }

  function expire(members: readonly M[], pingTick: number): void {
    // Backwards, because a removal moves the last member into the gap: nobody is left out.
    for (let i = members.length - 1; i >= 0; i--) {
      const member = members[i];
      if (member !== undefined && member.pongTick < pingTick) guard(() => onTimeout(member));
    }
  }

  function guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      onError(error);
    }
  }

  return {
    tick: () => now,
    add(member) {
      member.bucket = (now + size - EARLY_TICKS) % size;
      member.pongTick = now;
      const members = buckets[member.bucket] ?? [];
      member.slot = members.push(member) - 1;
    },
    remove(member) {
      const members = buckets[member.bucket];
      if (members === undefined || members[member.slot] !== member) return;
      const last = members.pop();
      if (last !== undefined && last !== member) {
        members[member.slot] = last;
        last.slot = member.slot;
      }
      member.slot = -1;
    },
    deadlines<T extends NonNullable<unknown>>(
      ms: number,
      onDue: (item: T) => void,
    ): TickDeadlines<T> {
      const ticks = Math.max(Math.ceil(ms / tickMs), 1);
      const queue = createDeadlineQueue<T>();
      handOuts.push(() => {
        for (let item = queue.takeDue(now); item !== undefined; item = queue.takeDue(now)) {
          const due = item;
          guard(() => onDue(due));
        }
      });
      return {
        add: (item) => queue.set(item, now + ticks),
        delete: (item) => void queue.delete(item),
        get size() {
          return queue.size;
        },
      };
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
