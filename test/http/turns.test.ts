/** Turns: one request in each turn of the event loop, whoever else asks. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { createTurns, type TurnsLimits } from '../../src/http/turns.ts';

afterEach(() => {
  vi.useRealTimers();
});

function lane(limits: Partial<TurnsLimits> = {}) {
  const turns = createTurns({ maxWaiting: 100, ...limits });
  const entered: number[] = [];
  let asked = 0;
  return {
    entered,
    turns,
    ask(times: number) {
      return Array.from({ length: times }, () => {
        const name = asked++;
        return turns.take().then(() => entered.push(name));
      });
    },
  };
}

it('lets the first in at once, and one more in each turn, in their order', async () => {
  const { ask, entered } = lane();
  const all = Promise.all(ask(50));
  await Promise.resolve();
  for (let seen = 1; seen < 50; seen += 1) {
    expect(entered.length).toBeLessThanOrEqual(seen + 1);
    await nextTurn();
  }
  await all;
  expect(entered).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

it('has turns for everybody else between two of them', async () => {
  const { ask } = lane();
  let others = 0;
  let asking = true;
  const count = (): void => {
    others += 1;
    if (asking) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(ask(50));
  asking = false;
  expect(others).toBeGreaterThanOrEqual(45);
});

it('refuses who would be one too many, and goes on', async () => {
  const { ask, turns } = lane({ maxWaiting: 3 });
  const first = ask(4);
  await expect(turns.take()).rejects.toMatchObject({ code: 'unavailable' });
  await Promise.all(first);
  await Promise.all(ask(3));
});

it('keeps to its pace: so many at once, then so many a second', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const { ask, entered } = lane({ pace: { burst: 5, perSecond: 100 } });
  const all = Promise.all(ask(20));
  const settle = async () => {
    for (let n = 0; n < 30; n += 1) await nextTurn();
  };
  await settle();
  expect(entered.length).toBe(5);
  for (let more = 1; more <= 15; more += 1) {
    vi.advanceTimersByTime(10.1);
    await settle();
    expect(entered.length).toBe(5 + more);
  }
  await all;
  // A pause fills it again, and not beyond.
  vi.advanceTimersByTime(60_000);
  const burst = ask(9);
  await settle();
  expect(entered.length).toBe(25);
  for (let more = 0; more < 4; more += 1) {
    vi.advanceTimersByTime(10.1);
    await settle();
  }
  await Promise.all(burst);
});

it('lets all in when it is closed, and leaves no timer', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const { ask, turns } = lane({ pace: { burst: 1, perSecond: 1 } });
  const all = ask(10);
  await nextTurn();
  await nextTurn();
  turns.close();
  await Promise.all(all);
  expect(vi.getTimerCount()).toBe(0);
});
