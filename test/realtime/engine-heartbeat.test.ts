// The wheel alone, on a clock that the test turns.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Beating, createHeartbeat, type Heartbeat } from '../../src/realtime/heartbeat.ts';

interface Member extends Beating {
  name: string;
  pings: number[];
  timedOut: number[];
}

let wheel: Heartbeat<Member>;
let errors: unknown[];
let failing: Member | undefined;

function member(name = 'a'): Member {
  return { name, bucket: 0, slot: -1, pongTick: 0, pings: [], timedOut: [] };
}

function start(pingIntervalMs: number, pingTimeoutMs: number): void {
  errors = [];
  failing = undefined;
  wheel = createHeartbeat<Member>({
    pingIntervalMs,
    pingTimeoutMs,
    onPing: (_bucket, members) => {
      for (const each of members) {
        if (each === failing) throw new Error('ping failed');
        each.pings.push(performance.now());
      }
    },
    onTimeout: (each) => {
      each.timedOut.push(performance.now());
      wheel.remove(each);
    },
    onError: (error) => errors.push(error),
  });
}

beforeEach(() => {
  vi.useFakeTimers({
    now: 0,
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'],
  });
});
afterEach(() => {
  wheel.stop();
  vi.useRealTimers();
});

describe.each([
  [300, 200],
  [25_000, 20_000],
  [10_000, 20_000],
  [40, 1_000],
])('at an interval of %i ms and a timeout of %i ms', (intervalMs, timeoutMs) => {
  const tickMs = Math.min(Math.max(intervalMs / 100, 5), 50);
  const slotMs = Math.min(intervalMs / 25, 1_000);

  it('pings shortly before the end of the first interval, then once per interval', () => {
    start(intervalMs, timeoutMs);
    vi.advanceTimersByTime(intervalMs * 0.37);
    const openedMs = performance.now();
    const a = member();
    wheel.add(a);
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(intervalMs);
      a.pongTick = wheel.tick();
    }
    expect(a.pings).toHaveLength(5);
    a.pings.forEach((pingMs, i) => {
      const lateMs = pingMs - (openedMs + (i + 1) * intervalMs);
      expect(lateMs).toBeLessThanOrEqual(2); // A timer may be a millisecond late.
      expect(lateMs).toBeGreaterThanOrEqual(-3 * tickMs - slotMs - 1);
    });
    expect(a.timedOut).toEqual([]);
  });

  it('reports a member without a pong one timeout after the ping', () => {
    start(intervalMs, timeoutMs);
    const a = member();
    wheel.add(a);
    vi.advanceTimersByTime(intervalMs + timeoutMs + 2 * tickMs);
    expect(a.timedOut).toHaveLength(1);
    const silentMs = (a.timedOut[0] ?? 0) - (a.pings[0] ?? 0);
    expect(silentMs).toBeGreaterThanOrEqual(timeoutMs - 2);
    expect(silentMs).toBeLessThanOrEqual(timeoutMs + tickMs + 2);
  });
});

it('places members by the moment they were added', () => {
  start(1_000, 800);
  const members: Member[] = [];
  for (let i = 0; i < 10; i++) {
    const each = member(String(i));
    members.push(each);
    wheel.add(each);
    vi.advanceTimersByTime(70);
  }
  vi.advanceTimersByTime(1_000);
  const first = members.map((each) => each.pings[0] ?? 0);
  expect(first).toEqual([...first].sort((a, b) => a - b));
  expect(new Set(first).size).toBe(10);
});

it('pings together who came within a second, and few more at once than are no burst', () => {
  start(25_000, 20_000);
  const members = Array.from({ length: 1_200 }, (_, index) => member(String(index)));
  for (const each of members.slice(0, 20)) {
    wheel.add(each);
    vi.advanceTimersByTime(45);
  }
  for (const each of members.slice(20)) wheel.add(each);
  vi.advanceTimersByTime(25_000);
  const sizes = new Map<number, number>();
  for (const { pings } of members) sizes.set(pings[0] ?? 0, (sizes.get(pings[0] ?? 0) ?? 0) + 1);
  expect([...sizes.values()].reduce((sum, size) => sum + size)).toBe(1_200);
  expect(sizes.size).toBeLessThan(6);
  expect(Math.max(...sizes.values())).toBe(500);
  expect(new Set(members.slice(0, 20).map(({ pings }) => pings[0])).size).toBeLessThanOrEqual(2);
});

it('has a timer only for what is due', () => {
  start(1_000, 500);
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(12_345);
  const a = member();
  wheel.add(a);
  vi.advanceTimersByTime(1_000);
  expect(a.pings).toHaveLength(1);
  wheel.remove(a);
  const queue = wheel.deadlines<string>(200, () => undefined);
  queue.add('deleted');
  queue.delete('deleted');
  vi.advanceTimersByTime(1_000);
  expect(vi.getTimerCount()).toBe(0);
});

it('forgets removed members, also in the middle of a bucket and of a timeout', () => {
  start(1_000, 500);
  const members = Array.from({ length: 5 }, (_, i) => member(String(i)));
  for (const each of members) wheel.add(each);
  const [a, b, c] = members;
  if (a === undefined || b === undefined || c === undefined) throw new Error('no members');
  wheel.remove(b);
  wheel.remove(b);
  vi.advanceTimersByTime(1_000);
  expect(b.pings).toEqual([]);
  expect(members.filter((each) => each.pings.length === 1)).toHaveLength(4);
  c.pongTick = wheel.tick();
  vi.advanceTimersByTime(600);
  expect(members.filter((each) => each.timedOut.length === 1)).toHaveLength(3);
  expect(c.timedOut).toEqual([]);
});

it('does not take a stall of the process for silence of the clients', () => {
  start(1_000, 400);
  const a = member();
  wheel.add(a);
  vi.advanceTimersByTime(1_000);
  expect(a.pings).toHaveLength(1);
  // The pong has arrived, but the process is too busy to read it for ten timeouts.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 4_000);
  vi.advanceTimersToNextTimer();
  expect(a.timedOut).toEqual([]);
  vi.restoreAllMocks();
});

it('goes on when a callback throws', () => {
  start(1_000, 500);
  const a = member('a');
  const b = member('b');
  wheel.add(a);
  vi.advanceTimersByTime(100);
  wheel.add(b);
  failing = a;
  vi.advanceTimersByTime(1_050);
  expect(errors).toHaveLength(1);
  expect(b.pings).toHaveLength(1);
});

describe('a queue of deadlines', () => {
  it('hands out each item once, when it is due, oldest first', () => {
    start(1_000, 500);
    const due: string[] = [];
    const queue = wheel.deadlines<string>(200, (item) => due.push(item));
    queue.add('first');
    vi.advanceTimersByTime(50);
    queue.add('second');
    vi.advanceTimersByTime(140);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(25);
    expect(due).toEqual(['first']);
    vi.advanceTimersByTime(1_000);
    expect(due).toEqual(['first', 'second']);
    expect(queue.size).toBe(0);
  });

  it('does not hand out what was deleted, and restarts what is added again', () => {
    start(1_000, 500);
    const due: string[] = [];
    const queue = wheel.deadlines<string>(200, (item) => due.push(item));
    queue.add('deleted');
    queue.add('restarted');
    queue.delete('deleted');
    vi.advanceTimersByTime(150);
    queue.add('restarted');
    vi.advanceTimersByTime(150);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(due).toEqual(['restarted']);
  });
});
