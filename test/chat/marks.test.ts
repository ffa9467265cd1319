import { describe, expect, it, vi } from 'vitest';
import { createMarkLine } from '../../src/chat/marks.ts';
import type { CursorOutcome, CursorRequest } from '../../src/chat/ports.ts';
import { standIn } from '../support/ids.ts';

/** Marks of one conversation whose head is 100; each run waits to be let go. */
function setUp() {
  const runs: (number | null)[] = [];
  const gates: ((error?: Error) => void)[] = [];
  let cursor = 0;
  const mark = createMarkLine(
    ({ upToSeq }: CursorRequest) =>
      new Promise<CursorOutcome>((resolve, reject) => {
        runs.push(upToSeq);
        gates.push((error) => {
          if (error !== undefined) reject(error);
          const target = Math.min(upToSeq ?? 100, 100);
          const moved = target > cursor;
          const marked = Math.max(0, target - cursor);
          cursor = Math.max(cursor, target);
          resolve({ outcome: moved ? 'moved' : 'unchanged', seq: cursor, marked });
        });
      }),
  );
  const by = (userId: string) => (upToSeq: number | null) =>
    mark({ conversationId: standIn('c'), userId: standIn(userId), upToSeq });
  /** Lets the mark that is under way, or is about to be, go to its end. */
  async function letGo(error?: Error): Promise<void> {
    await vi.waitFor(() => expect(gates.length).toBe(1));
    gates.shift()?.(error);
  }
  return { by, runs, letGo };
}

describe('marks that come while one is under way', () => {
  it('become one, the furthest, and each is answered as after it', async () => {
    const { by, runs, letGo } = setUp();
    const alice = by('alice');
    const first = alice(5);
    const later = [7, 30, 20, 30, 5].map(alice);
    await letGo();
    expect(await first).toEqual({ outcome: 'moved', seq: 5, marked: 5 });
    await letGo();
    const after = { outcome: 'unchanged', seq: 30, marked: 0 };
    const furthest = { outcome: 'moved', seq: 30, marked: 25 };
    expect(await Promise.all(later)).toEqual([after, furthest, after, after, after]);
    expect(runs).toEqual([5, 30]);
  });

  it('reach to the end when one of them does', async () => {
    const { by, runs, letGo } = setUp();
    const alice = by('alice');
    const marks = [1, 99, null, 100].map(alice);
    await letGo();
    await marks[0];
    await letGo();
    expect((await Promise.all(marks)).map((mark) => 'marked' in mark && mark.marked)).toEqual([
      1, 0, 99, 0,
    ]);
    expect(runs).toEqual([1, null]);
  });

  it('wait for nobody else’s', async () => {
    const { by, runs } = setUp();
    void by('alice')(1);
    void by('bob')(2);
    expect(runs).toEqual([1, 2]);
  });

  it('fail together, and the next one starts afresh', async () => {
    const { by, runs, letGo } = setUp();
    const alice = by('alice');
    const first = alice(1);
    const failed = expect(first).rejects.toThrow('lost');
    const later = [2, 3].map((seq) => alice(seq).catch((error: Error) => error.message));
    await letGo(new Error('lost'));
    await failed;
    await letGo(new Error('lost again'));
    expect(await Promise.all(later)).toEqual(['lost again', 'lost again']);
    const next = alice(4);
    await letGo();
    expect(await next).toMatchObject({ seq: 4 });
    expect(runs).toEqual([1, 3, 4]);
  });

  it('are bounded', async () => {
    const { by, letGo } = setUp();
    const alice = by('alice');
    const marks = Array.from({ length: 2_002 }, (_, seq) => alice(seq));
    await expect(marks.at(-1)).rejects.toMatchObject({ code: 'rate_limited' });
    await letGo();
    await marks[0];
    await letGo();
    await Promise.all(marks.slice(0, -1));
  });
});
