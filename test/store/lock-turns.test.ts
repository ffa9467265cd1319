import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLockTurns, type LockTurns } from '../../src/store/lock-turns.ts';
import { RowLocked } from '../../src/store/lock-waits.ts';
import { upTo } from './writer-setting.ts';

let turns: LockTurns;
beforeEach(() => {
  turns = createLockTurns({ seats: 2, maxWaiting: 20, maxWaitingOnKey: 10 });
});
afterEach(() => turns.close());

// The types do not know that it takes the fields of an error.
const lockTimeout = { message: 'gave up', severity: 'ERROR', code: '55P03' } as unknown as string;

const soon = (): number => performance.now() + 5_000;

/** Something that is locked until somebody says otherwise, and who is trying to have it. */
function locked() {
  const attempts: boolean[] = [];
  let open = false;
  let under = 0;
  let most = 0;
  return {
    attempts,
    most: () => most,
    unlock: () => {
      open = true;
    },
    async attempt(waits: boolean): Promise<string> {
      attempts.push(waits);
      under += 1;
      most = Math.max(most, under);
      await new Promise((resolve) => setImmediate(resolve));
      under -= 1;
      if (!open) throw new RowLocked();
      return 'had it';
    },
  };
}

test('what nobody has locked is done at once, and its errors pass through', async () => {
  expect(await turns.run('a', soon(), async () => 1)).toBe(1);
  const failing = turns.run('a', soon(), () => Promise.reject(new Error('mine')));
  await expect(failing).rejects.toThrow('mine');
  expect(await turns.run(null, soon(), async () => 2)).toBe(2);
});

test('under one key one works at a time, in the order of the calls', async () => {
  const order: number[] = [];
  let under = 0;
  await Promise.all(
    upTo(5).map((n) =>
      turns.run('a', soon(), async () => {
        under += 1;
        expect(under).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(n);
        under -= 1;
      }),
    ),
  );
  expect(order).toEqual(upTo(5));
});

test('what is locked is waited for once, and then tried again without waiting', async () => {
  const thing = locked();
  const had = turns.run('a', soon(), thing.attempt);
  await vi.waitFor(() => expect(thing.attempts.length).toBeGreaterThan(4));
  thing.unlock();
  expect(await had).toBe('had it');
  expect(thing.attempts.slice(0, 4)).toEqual([false, true, false, false]);
});

test('calls under one key that is locked try in turn, and no more often than one would', async () => {
  const thing = locked();
  const all = Promise.all(upTo(8).map(() => turns.run('a', soon(), thing.attempt)));
  await vi.waitFor(() => expect(thing.attempts.length).toBeGreaterThan(6));
  expect(thing.most()).toBe(1);
  thing.unlock();
  expect(await all).toHaveLength(8);
});

test('what is locked holds no more seats than there are, and holds up nothing else', async () => {
  const things = upTo(6).map(locked);
  const all = things.map((thing, n) => turns.run(`${n}`, soon(), thing.attempt));
  await vi.waitFor(() => expect(things.every(({ attempts }) => attempts.length > 3)).toBe(true));
  expect(await turns.run('free', soon(), async () => 'at once')).toBe('at once');
  for (const thing of things) thing.unlock();
  expect(await Promise.all(all)).toHaveLength(6);
});

test('something that one call alone needs does not make the others under its key pause', async () => {
  let free = false;
  const own = turns.run('a', soon(), async () => {
    // Not the row of the key: PostgreSQL gave up waiting for another one.
    if (!free) throw new postgres.PostgresError(lockTimeout);
  });
  await vi.waitFor(() => expect(turns.waiting()).toBe(1));
  expect(await turns.run('a', soon(), async () => 'at once')).toBe('at once');
  free = true;
  await own;
});

describe('the deadline', () => {
  test('ends it as unavailable, whether it tries or waits for its turn', async () => {
    const thing = locked();
    const deadlineAt = performance.now() + 300;
    const results = await Promise.allSettled(
      upTo(3).map(() => turns.run('a', deadlineAt, thing.attempt)),
    );
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(performance.now()).toBeLessThan(deadlineAt + 100);
    expect(turns.waiting()).toBe(0);
    // Nothing of it is left under the key.
    expect(await turns.run('a', soon(), async (waits) => waits)).toBe(false);
  });
});

test('more than may wait are refused, under one key and altogether', async () => {
  const held = { end: (): void => undefined };
  const holding = (key: string) =>
    turns.run(key, soon(), () => new Promise<void>((resolve) => (held.end = resolve)));
  const first = holding('a');
  const waiting = upTo(10).map(() => turns.run('a', soon(), async () => undefined));
  await expect(turns.run('a', soon(), async () => undefined)).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(await turns.run('b', soon(), async () => 'at once')).toBe('at once');
  held.end();
  await Promise.all([first, ...waiting]);
});

test('closing ends every wait', async () => {
  const thing = locked();
  const results = Promise.allSettled(upTo(4).map(() => turns.run('a', soon(), thing.attempt)));
  await vi.waitFor(() => expect(thing.attempts.length).toBeGreaterThan(3));
  turns.close();
  for (const result of await results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
  }
  expect(turns.waiting()).toBe(0);
});
