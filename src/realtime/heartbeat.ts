/**
 * One timer for every session: a wheel of buckets over the ping interval, and queues of deadlines
 * that share its ticks.
 *
 * Guarantees: a member is pinged for the first time shortly before a full interval has passed: two to three
 * ticks, and the rest of a slot (a client counts from the handshake, so early is safe and late is not); then
 * once per interval. A member without a pong is reported `pingTimeoutMs` after the ping, at most a tick
 * late and after a look at the sockets. A stall of this process does not look like everybody's silence: after
 * one of more than half a ping timeout the next interval decides.
 *
 * The process wakes up for ticks in which something is due, and for no others. So that these are few, members
 * share them: who is due within a second is pinged together with the others, unless that would be a burst.
 *
 * The wheel is not a `DeadlineQueue`: a session that is pinged for as long as it lives would be put into
 * one anew at every interval, and what is due in a bucket is published once for all of it.
 */
import { HEARTBEAT_SLOT_MS, PINGS_AT_ONCE } from '../bounds/realtime.ts';
import { createDeadlineQueue } from '../shared/deadline-queue.ts';

/** What the wheel keeps in its members, so that it needs no map. Set by the wheel only. */
export interface Beating {
  bucket: number;
  slot: number;
  /** `tick()` of the last pong; the owner sets it when one arrives. */
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
  /** The last tick in which something was due: not before the last ping of anybody. */
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

/** Ticks and slots per interval, before the bounds below. */
const TICKS_PER_INTERVAL = 100;
const SLOTS_PER_INTERVAL = 25;
const MIN_TICK_MS = 5;
const MAX_TICK_MS = 50;
/** How many ticks before the end of its first interval a member is pinged at the latest. */
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
  const slotMs = Math.min(pingIntervalMs / SLOTS_PER_INTERVAL, HEARTBEAT_SLOT_MS);
  const slotTicks = Math.max(Math.floor(slotMs / tickMs), 1);
  const timeoutTicks = Math.max(Math.ceil(pingTimeoutMs / tickMs), 1);
  const maxLateTicks = Math.max(Math.ceil(timeoutTicks / 2), 1);

  const buckets: M[][] = Array.from({ length: size }, () => []);
  let count = 0;
  const queues: TickQueue[] = [];
  let now = 0;
  // Slots begin at whole seconds of the monotonic clock, as other things that recur do: one wake-up for all.
  let startedMs = Math.floor(performance.now() / HEARTBEAT_SLOT_MS) * HEARTBEAT_SLOT_MS;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  /** The tick that the timer waits for. */
  let armedFor = Number.POSITIVE_INFINITY;

  /** The tick it is by the clock; things were due in it perhaps that have not had their turn yet. */
  const clockTick = (): number => Math.floor((performance.now() - startedMs) / tickMs);

  /** Sees to it that the timer goes off in `tick`, or before. */
  function arm(tick: number): void {
    if (tick >= armedFor || stopped) return;
    clearTimeout(timer);
    armedFor = tick;
    const delayMs = startedMs + tick * tickMs - performance.now();
    timer = setTimeout(turn, Math.max(Math.ceil(delayMs), 0) + 1).unref();
  }

  function turn(): void {
    let late = Math.max(clockTick() - armedFor, 0);
    const hasStalled = late > maxLateTicks;
    if (late >= size) {
      // Everybody's turn comes once, however long it was.
      startedMs += (late - size + 1) * tickMs;
      late = size - 1;
    }
    // Before the tick it was armed for nothing is due, though buckets have members: of later turns.
    now = Math.max(now, armedFor - 1);
    const until = armedFor + late;
    armedFor = Number.POSITIVE_INFINITY;
    for (let tick = nextDue(); tick <= until && !stopped; tick = nextDue()) {
      now = tick;
      step(hasStalled);
    }
    now = Math.max(now, until);
    arm(nextDue());
  }

  /** The first tick after `now` in which something is due. */
  function nextDue(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const queue of queues) next = Math.min(next, queue.nextAt() ?? next);
    // What is overdue, because it was set for a tick that is over, comes with the next one.
    next = Math.max(next, now + 1);
    if (count === 0) return next;
    const last = Math.min(next, now + size);
    for (let tick = now + 1; tick < last; tick += 1) {
      if (membersAt(tick).length > 0 || membersAt(tick - timeoutTicks).length > 0) return tick;
    }
    return last;
  }

  /** Who is pinged in a tick; before the first one, nobody was. */
  function membersAt(tick: number): readonly M[] {
    return (tick > 0 ? buckets[tick % size] : undefined) ?? [];
  }

  function step(hasStalled: boolean): void {
    const members = membersAt(now);
    if (members.length > 0) guard(() => onPing(now % size, members));
    const pingTick = now - timeoutTicks;
    if (!hasStalled && membersAt(pingTick).some((each) => each.pongTick < pingTick)) {
      // Timers run before sockets are read: pongs may lie there unread.
      setImmediate(expire, pingTick);
    }
    for (const { handOut } of queues) handOut();
  }

  function expire(pingTick: number): void {
    const members = membersAt(pingTick);
    // Backwards, because a removal moves the last member into the gap: nobody is left out.
    for (let i = members.length - 1; i >= 0 && !stopped; i--) {
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

  /** When somebody is pinged first who comes in this tick: with others, unless that would be a burst. */
  function firstPing(tick: number): number {
    const latest = tick + size - EARLY_TICKS;
    let at = Math.floor(latest / slotTicks) * slotTicks;
    while (at < latest && membersAt(at).length >= PINGS_AT_ONCE) at += 1;
    return at;
  }

  return {
    tick: () => now,
    add(member) {
      const tick = clockTick();
      const pingTick = firstPing(tick);
      member.bucket = pingTick % size;
      member.pongTick = tick;
      const members = buckets[member.bucket] ?? [];
      member.slot = members.push(member) - 1;
      count += 1;
      arm(pingTick);
    },
    remove(member) {
      const members = buckets[member.bucket];
      if (members === undefined || members[member.slot] !== member) return;
      count -= 1;
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
      queues.push({
        nextAt: queue.nextAt,
        handOut() {
          for (let item = queue.takeDue(now); item !== undefined; item = queue.takeDue(now)) {
            const due = item;
            guard(() => onDue(due));
          }
        },
      });
      return {
        add(item) {
          const at = clockTick() + ticks;
          queue.set(item, at);
          arm(at);
        },
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

/** A queue of deadlines as the wheel sees it. */
interface TickQueue {
  /** The tick in which its first item is due. */
  nextAt(): number | undefined;
  /** Hands out what is due now. */
  handOut(): void;
}
