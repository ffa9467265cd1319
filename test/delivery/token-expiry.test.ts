/** `exp` is a time of day: who is watched while the clock jumps, is judged by what it says then. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EXPIRY_WARNING_MS } from '../../src/bounds/delivery.ts';
import { createTokenExpiry } from '../../src/delivery/token-expiry.ts';
import type { Socket } from '../../src/realtime/socket.ts';

const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS;
/** What is due is looked at every half of a second. */
const SETTLE_MS = 1_000;
const NOON_MS = Date.UTC(2030, 0, 1, 12);

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout'],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A wall clock that runs with the timers and can be set. */
function watchedClock() {
  let wallMs = NOON_MS;
  let readings = 0;
  const expiry = createTokenExpiry(() => {
    readings += 1;
    return wallMs;
  });
  return {
    expiry,
    wallMs: () => wallMs,
    readings: () => readings,
    jump(byMs: number) {
      wallMs += byMs;
    },
    pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 500) {
        wallMs += 500;
        vi.advanceTimersByTime(500);
      }
    },
  };
}

function card(told: string[], name: string): Socket {
  const socket: Pick<Socket, 'closeTransport' | 'sendFrame'> = {
    closeTransport: () => void told.push(`${name} ended`),
    sendFrame: () => void told.push(`${name} warned`),
  };
  return socket as Socket;
}

/** What must be true of somebody who is watched, kept beside it. */
class Person {
  readonly told: string[] = [];
  readonly socket = card(this.told, 'is');
  expiresAtMs = 0;
  /** The latest that the wall clock has been while this expiry was watched. */
  latestMs = 0;

  check(settledSinceMs: number): void {
    const [isEnded, isWarned] = [this.told.includes('is ended'), this.told.includes('is warned')];
    const warnAtMs = this.expiresAtMs - EXPIRY_WARNING_MS;
    if (this.expiresAtMs <= settledSinceMs) expect(isEnded, 'the end').toBe(true);
    else if (warnAtMs <= settledSinceMs) expect(isEnded || isWarned, 'a warning').toBe(true);
    if (isEnded) expect(this.expiresAtMs).toBeLessThanOrEqual(this.latestMs);
    if (isWarned) expect(warnAtMs).toBeLessThanOrEqual(this.latestMs);
  }
}

const jumpsMs = [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS];
const who = fc.integer({ min: 0, max: 4 });
const anyStep = fc.oneof(
  fc.tuple(fc.constant('pass'), who, fc.integer({ min: 500, max: 90_000 })),
  fc.tuple(fc.constant('jump'), who, fc.constantFrom(...jumpsMs)),
  fc.tuple(fc.constant('jump'), who, fc.integer({ min: -120_000, max: 120_000 })),
  fc.tuple(fc.constant('watch'), who, fc.integer({ min: -5_000, max: 120_000 })),
  fc.tuple(fc.constant('watch'), who, fc.constant(HOUR_MS)),
  fc.tuple(fc.constant('forget'), who, fc.constant(0)),
);

describe('a clock that jumps', () => {
  it('overlooks nobody and ends nobody before the time, whatever its jumps', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 25 }), (steps) => {
        const clock = watchedClock();
        const people = Array.from({ length: 5 }, () => new Person());
        const watched = new Set<Person>();
        const noteTime = () => {
          for (const one of watched) one.latestMs = Math.max(one.latestMs, clock.wallMs());
        };
        for (const [what, index, ms] of steps) {
          const person = people[index] as Person;
          if (what === 'pass') clock.pass(ms);
          if (what === 'jump') clock.jump(ms);
          if (what === 'forget') {
            clock.expiry.forget(person.socket);
            watched.delete(person);
          }
          if (what === 'watch') {
            person.told.length = 0;
            person.expiresAtMs = clock.wallMs() + ms;
            person.latestMs = 0;
            clock.expiry.watch(person.socket, person.expiresAtMs);
            watched.add(person);
          }
          noteTime();
          const sinceMs = clock.wallMs();
          clock.pass(SETTLE_MS);
          noteTime();
          for (const one of watched) one.check(sinceMs);
          for (const one of watched) if (one.told.includes('is ended')) watched.delete(one);
        }
        clock.expiry.close();
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it.each([HOUR_MS, TEN_YEARS_MS])('by %i ms costs no more than who is watched', (jumpMs) => {
    const clock = watchedClock();
    const told: string[] = [];
    clock.expiry.watch(card(told, 'short'), NOON_MS + 60_000);
    clock.expiry.watch(card(told, 'long'), NOON_MS + 2 * TEN_YEARS_MS);
    for (const direction of [1, -1, -1, 1]) {
      const before = clock.readings();
      clock.jump(direction * jumpMs);
      clock.pass(SETTLE_MS);
      expect(clock.readings() - before).toBe(SETTLE_MS / 500);
    }
    expect(told).toEqual(['short ended']);
    clock.expiry.close();
  });

  it('ends thousands at once in turns, between which others are seen to', () => {
    const clock = watchedClock();
    const told: string[] = [];
    for (let n = 0; n < 2_000; n += 1) {
      clock.expiry.watch(card(told, `${n}`), NOON_MS + HOUR_MS + n);
    }
    clock.jump(TEN_YEARS_MS);
    let seen = 0;
    clock.pass(500);
    while (told.length < 2_000) {
      expect(told.length - seen).toBe(500);
      seen = told.length;
      vi.advanceTimersToNextTimer();
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps no timer when nobody is watched', () => {
    const { expiry } = watchedClock();
    const socket = card([], 'one');
    expiry.watch(socket, null);
    expect(vi.getTimerCount()).toBe(0);
    expiry.watch(socket, NOON_MS + HOUR_MS);
    expect(vi.getTimerCount()).toBe(1);
    expiry.forget(socket);
    expect(vi.getTimerCount()).toBe(0);
  });
});
