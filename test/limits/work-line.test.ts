import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWorkLine, type WorkLimits } from '../../src/limits/work-line.ts';
import { standIn } from '../support/ids.ts';

const personOf = (name: string | null) => (name === null ? null : standIn(name));

const LIMITS: WorkLimits = {
  maxSharedRows: 100,
  maxConnections: 2,
  paidMsPerSecond: 250,
  maxOwedMs: 100,
  maxWaiting: 5,
  maxWaitMs: 2_000,
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const settled = () => vi.advanceTimersByTimeAsync(0);

/** A line, and work in it that ends when it is told to. */
function setUp(limits: Partial<WorkLimits> = {}) {
  const line = createWorkLine({ limits: { ...LIMITS, ...limits } });
  const started: string[] = [];
  const outcomes: Record<string, string> = {};
  const ends = new Map<string, (error?: Error) => void>();
  const work = (name: string) => () => {
    started.push(name);
    return new Promise<string>((resolve, reject) => {
      ends.set(name, (error) => (error === undefined ? resolve(name) : reject(error)));
    });
  };
  function watch(name: string, call: Promise<string>): void {
    call.then(
      () => {
        outcomes[name] = 'done';
      },
      (error: { code?: string; retryAfterSeconds?: number; message: string }) => {
        outcomes[name] = `${error.code ?? error.message} ${error.retryAfterSeconds ?? ''}`.trim();
      },
    );
  }
  return {
    line,
    started,
    outcomes,
    shared: (userId: string | null, name: string, rows: number, costMs = 0) =>
      watch(
        name,
        line.shared(personOf(userId), rows, work(name), () => costMs),
      ),
    alone: (userId: string | null, name: string, costMs = 0) =>
      watch(
        name,
        line.alone(personOf(userId), work(name), () => costMs),
      ),
    async end(name: string, error?: Error) {
      ends.get(name)?.(error);
      await settled();
    },
  };
}

describe('the work of one person', () => {
  it('is so many rows at a time, in the order of the calls', async () => {
    const { shared, started, end } = setUp();
    shared('alice', 'a', 60);
    shared('alice', 'b', 40);
    shared('alice', 'c', 50);
    shared('alice', 'd', 1);
    expect(started).toEqual(['a', 'b']);
    await end('b');
    expect(started).toEqual(['a', 'b']);
    await end('a');
    expect(started).toEqual(['a', 'b', 'c', 'd']);
  });

  it('larger than all of that goes when nothing else of the kind is under way', async () => {
    const { shared, started, end } = setUp();
    shared('alice', 'a', 1);
    shared('alice', 'huge', 1_000);
    shared('alice', 'b', 1);
    expect(started).toEqual(['a']);
    await end('a');
    expect(started).toEqual(['a', 'huge']);
    await end('huge');
    expect(started).toEqual(['a', 'huge', 'b']);
  });

  it('has so many connections to itself, beside what it shares', async () => {
    const { alone, shared, started, end } = setUp();
    for (const name of ['a', 'b', 'c']) alone('alice', name);
    shared('alice', 'd', 100);
    expect(started).toEqual(['a', 'b', 'd']);
    await end('a');
    expect(started).toEqual(['a', 'b', 'd', 'c']);
  });

  it('waits behind nobody else’s', async () => {
    const { alone, shared, started } = setUp();
    for (const name of ['a', 'b', 'c']) alone('alice', name);
    shared('alice', 'd', 1_000);
    shared('alice', 'e', 1_000);
    alone('bob', 'f');
    shared('bob', 'g', 100);
    expect(started).toEqual(['a', 'b', 'd', 'f', 'g']);
  });

  it('is given up its place when it fails', async () => {
    const { alone, started, end, outcomes } = setUp({ maxConnections: 1 });
    alone('alice', 'a');
    alone('alice', 'b');
    await end('a', new Error('broken'));
    expect(outcomes).toEqual({ a: 'broken' });
    expect(started).toEqual(['a', 'b']);
  });

  it('of a service that names nobody is not in any line', () => {
    const { alone, shared, started } = setUp({ maxWaiting: 0 });
    for (let n = 0; n < 5; n += 1) {
      alone(null, 'a');
      shared(null, 'b', 1_000);
    }
    expect(started.length).toBe(10);
  });
});

describe('what is owed', () => {
  it('holds up the person’s next calls until time has paid for it, and nobody else', async () => {
    const { alone, shared, started, end } = setUp();
    alone('alice', 'dear', 200);
    await end('dear');
    // 200 owed, 100 allowed, 250 paid in a second: 400 ms.
    shared('alice', 'a', 1);
    alone('alice', 'b');
    shared('bob', 'c', 1);
    expect(started).toEqual(['dear', 'c']);
    await vi.advanceTimersByTimeAsync(398);
    expect(started).toEqual(['dear', 'c']);
    await vi.advanceTimersByTimeAsync(4);
    expect(started).toEqual(['dear', 'c', 'b', 'a']);
  });

  it('beyond a little has one call of a kind under way at a time', async () => {
    const { alone, shared, started, end } = setUp();
    shared('alice', 'a', 1, 25);
    await end('a');
    shared('alice', 'b', 1, 1);
    shared('alice', 'c', 1);
    expect(started).toEqual(['a', 'b', 'c']);
    await end('b');
    shared('alice', 'd', 1);
    shared('alice', 'e', 1);
    alone('alice', 'f');
    expect(started).toEqual(['a', 'b', 'c', 'f']);
    await end('c');
    expect(started).toEqual(['a', 'b', 'c', 'f', 'd']);
    await vi.advanceTimersByTimeAsync(4);
    // Time has paid: side by side again.
    shared('alice', 'g', 1);
    expect(started).toEqual(['a', 'b', 'c', 'f', 'd', 'e', 'g']);
  });

  it('is nothing for ordinary calls, however many', async () => {
    const { shared, started, end } = setUp();
    for (let n = 0; n < 1_000; n += 1) {
      shared('alice', `${n}`, 50);
      await end(`${n}`);
    }
    expect(started.length).toBe(1_000);
  });

  it('is paid before the timer says so where the process is busy: who waited goes first', async () => {
    const { alone, shared, started, end } = setUp();
    shared('alice', 'dear', 1, 101);
    await end('dear');
    alone('alice', 'a');
    const late = performance.now() + 10;
    vi.spyOn(performance, 'now').mockReturnValue(late);
    shared('alice', 'b', 1);
    expect(started).toEqual(['dear', 'a', 'b']);
  });

  it('is never more than a few seconds’ worth', async () => {
    const { alone, shared, started, end } = setUp();
    alone('alice', 'endless', 1_000_000);
    await end('endless');
    shared('alice', 'a', 1);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(started).toEqual(['endless']);
    shared('alice', 'b', 1);
    await vi.advanceTimersByTimeAsync(1_010);
    // `a` has waited for too long, `b` has not.
    expect(started).toEqual(['endless', 'b']);
  });

  it('is forgotten once it is paid', async () => {
    const { line, alone, end } = setUp();
    alone('alice', 'dear', 200);
    alone('bob', 'free', 0);
    await end('dear');
    await end('free');
    expect(line.stats().people).toBe(1);
    await vi.advanceTimersByTimeAsync(801);
    expect(line.stats()).toEqual({ people: 0, waiting: 0, refused: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a call is refused as rate_limited', () => {
  it('when too many of the same person wait', async () => {
    const { alone, shared, outcomes, line } = setUp();
    for (const name of ['a', 'b', 'c', 'd', 'e']) alone('alice', name);
    shared('alice', 'f', 1_000);
    shared('alice', 'g', 1_000);
    shared('alice', 'h', 1_000);
    alone('alice', 'over');
    shared('alice', 'over too', 1);
    alone('bob', 'fine');
    await settled();
    expect(outcomes).toEqual({ over: 'rate_limited 1', 'over too': 'rate_limited 1' });
    expect(line.stats()).toMatchObject({ waiting: 5, refused: 2 });
  });

  it('when it has waited for too long, with when to try again', async () => {
    const { alone, outcomes, end } = setUp();
    alone('alice', 'dear', 1_000_000);
    await end('dear');
    alone('alice', 'a');
    await vi.advanceTimersByTimeAsync(1_500);
    alone('alice', 'b');
    await vi.advanceTimersByTimeAsync(501);
    // Three seconds of debt, two of them waited.
    expect(outcomes).toEqual({ dear: 'done', a: 'rate_limited 1' });
    await vi.advanceTimersByTimeAsync(1_001);
    await end('b');
    expect(outcomes).toEqual({ dear: 'done', a: 'rate_limited 1', b: 'done' });
  });
});

it('closing refuses what waits and leaves no timer', async () => {
  const { line, alone, outcomes } = setUp();
  for (const name of ['a', 'b', 'c']) alone('alice', name);
  line.close();
  await settled();
  expect(outcomes).toEqual({ c: 'unavailable 1' });
  expect(vi.getTimerCount()).toBe(0);
});
