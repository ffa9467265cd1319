import { describe, expect, it } from 'vitest';
import { ChatError } from '../../src/chat/errors.ts';
import { createCoalescer } from '../../src/store/coalesce.ts';
import { DatabaseUnavailable } from '../../src/store/link.ts';

/** A `run` whose batches are recorded and finish when told. */
function recorder() {
  const batches: { questions: number[]; finish: () => void; fail: (error: unknown) => void }[] = [];
  let notify: (() => void) | undefined;
  const run = (questions: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      batches.push({
        questions,
        finish: () => resolve(questions.map((question) => `answer ${question}`)),
        fail: reject,
      });
      notify?.();
    });
  /** Resolves when so many batches have begun. */
  const begun = async (count: number): Promise<void> => {
    while (batches.length < count) {
      await new Promise<void>((resolve) => {
        notify = resolve;
      });
    }
  };
  return { batches, run, begun };
}

/** Enough turns of the event loop for whatever may begin to begin. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((next) => setImmediate(next));
}

const limits = { maxBatch: 100, maxInFlight: 1, paceMs: 0, maxWaiting: 1000, maxWaitMs: 10_000 };

describe('calls of one moment', () => {
  it('share a query and get their own answers', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, run });
    const answers = Promise.all([ask(1), ask(2), ask(3)]);
    await begun(1);
    batches[0]?.finish();
    expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 3']);
    expect(batches.map(({ questions }) => questions)).toEqual([[1, 2, 3]]);
  });

  it('that come while a query is in flight share the next one, never that one', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, run });
    const first = ask(1);
    await begun(1);
    const later = [ask(2), ask(3)];
    batches[0]?.finish();
    expect(await first).toBe('answer 1');
    await begun(2);
    expect(batches[1]?.questions).toEqual([2, 3]);
    batches[1]?.finish();
    expect(await Promise.all(later)).toEqual(['answer 2', 'answer 3']);
  });
});

describe('pace', () => {
  it('a call after a pause goes at once; those within paceMs of its query share the next', async () => {
    const { batches, run, begun } = recorder();
    const paceMs = 200;
    const ask = createCoalescer({ ...limits, maxInFlight: 2, paceMs, run });
    const askedMs = performance.now();
    const first = ask(1);
    await turns();
    expect(batches).toHaveLength(1);
    const second = ask(2);
    // It would begin in the next turns if it were allowed to.
    await turns();
    const third = ask(3);
    await begun(2);
    // A timer may be early by a part of a millisecond.
    expect(performance.now() - askedMs).toBeGreaterThan(paceMs - 2);
    for (const { finish } of batches) finish();
    await Promise.all([first, second, third]);
    expect(batches.map(({ questions }) => questions)).toEqual([[1], [2, 3]]);
  });
});

describe('bounds', () => {
  it('no query carries more than maxBatch', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxBatch: 2, run });
    const answers = Promise.all([ask(1), ask(2), ask(3)]);
    await begun(1);
    batches[0]?.finish();
    await begun(2);
    batches[1]?.finish();
    await answers;
    expect(batches.map(({ questions }) => questions)).toEqual([[1, 2], [3]]);
  });

  it('a question heavier than maxBatch goes alone', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxBatch: 10, weigh: (weight) => weight, run });
    const answers = Promise.all([ask(4), ask(50), ask(5), ask(5), ask(1)]);
    for (let batch = 0; batch < 4; batch += 1) {
      await begun(batch + 1);
      batches[batch]?.finish();
    }
    await answers;
    expect(batches.map(({ questions }) => questions)).toEqual([[4], [50], [5, 5], [1]]);
  });

  it('no more than maxInFlight queries run at once', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxBatch: 1, maxInFlight: 2, run });
    const answers = Promise.all([ask(1), ask(2), ask(3)]);
    await begun(2);
    // A third would begin in the next turns if it were allowed to.
    await turns();
    expect(batches).toHaveLength(2);
    batches[0]?.finish();
    await begun(3);
    batches[1]?.finish();
    batches[2]?.finish();
    await answers;
  });

  it('a call beyond maxWaiting is refused as unavailable', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxWaiting: 2, run });
    const answers = Promise.all([ask(1), ask(2)]);
    await expect(ask(3)).rejects.toMatchObject({ code: 'unavailable' });
    await begun(1);
    batches[0]?.finish();
    expect(await answers).toHaveLength(2);
  });
});

describe('a wait', () => {
  it('ends after maxWaitMs, in the order of the calls, in flight or in line', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxWaitMs: 100, run });
    const over: number[] = [];
    const first = ask(1).catch(() => over.push(1));
    await begun(1);
    await Promise.all([first, ...[2, 3].map((n) => ask(n).catch(() => over.push(n)))]);
    expect(over).toEqual([1, 2, 3]);
    await expect(ask(4)).rejects.toMatchObject({ code: 'unavailable' });
    // The query in flight goes on, and keeps its place until it ends.
    expect(batches).toHaveLength(1);
    batches[0]?.finish();
    const next = ask(5);
    await begun(2);
    expect(batches[1]?.questions).toEqual([5]);
    batches[1]?.finish();
    expect(await next).toBe('answer 5');
  });
});

describe('failures', () => {
  it('of one question leave the others of its query their answers', async () => {
    const asked: number[][] = [];
    const ask = createCoalescer({
      ...limits,
      run: (questions: number[]) => {
        asked.push(questions);
        return questions.includes(2)
          ? Promise.reject(new Error('a damaged row'))
          : Promise.resolve(questions.map((question) => question * 10));
      },
    });
    const [one, two, three] = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(one).toEqual({ status: 'fulfilled', value: 10 });
    expect(two).toMatchObject({ status: 'rejected', reason: { message: 'a damaged row' } });
    expect(three).toEqual({ status: 'fulfilled', value: 30 });
    expect(asked).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it('with which the database goes away meanwhile end the asking one by one', async () => {
    let queries = 0;
    const ask = createCoalescer<number, number>({
      ...limits,
      run: () => {
        queries += 1;
        const first = queries === 1;
        return Promise.reject(first ? new Error('broken') : new ChatError('unavailable', 'away'));
      },
    });
    const answers = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    for (const answer of answers) expect(answer).toMatchObject({ reason: { message: 'away' } });
    expect(queries).toBe(2);
  });

  it('of a query that was too much for the server do not reach those in line', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, run });
    const first = ask(1);
    await begun(1);
    const second = ask(2);
    batches[0]?.fail(new DatabaseUnavailable('overloaded'));
    await expect(first).rejects.toMatchObject({ code: 'unavailable' });
    await begun(2);
    batches[1]?.finish();
    expect(await second).toBe('answer 2');
  });

  it('reach the callers of the query, and nobody else', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, run });
    const first = ask(1);
    await begun(1);
    const second = ask(2);
    batches[0]?.fail(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await begun(2);
    batches[1]?.finish();
    expect(await second).toBe('answer 2');
  });

  it('when the database is away, those in line hear it at once', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, run });
    const first = ask(1);
    await begun(1);
    const second = ask(2);
    batches[0]?.fail(new ChatError('unavailable', 'away'));
    await expect(first).rejects.toThrow('away');
    await expect(second).rejects.toThrow('away');
    const third = ask(3);
    await begun(2);
    batches[1]?.finish();
    expect(await third).toBe('answer 3');
  });

  it('and no query is made for those who have heard it', async () => {
    const { batches, run, begun } = recorder();
    const ask = createCoalescer({ ...limits, maxInFlight: 2, run });
    const first = ask(1);
    await begun(1);
    const second = ask(2);
    batches[0]?.fail(new ChatError('unavailable', 'away'));
    await expect(first).rejects.toThrow('away');
    await expect(second).rejects.toThrow('away');
    // The query that was due for the second would begin in the next turns.
    await turns();
    expect(batches).toHaveLength(1);
    const third = ask(3);
    await begun(2);
    batches[1]?.finish();
    expect(await third).toBe('answer 3');
  });
});
