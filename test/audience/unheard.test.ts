/** What a node tells the others through PostgreSQL, because they may not have heard it. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createUnheard } from '../../src/audience/unheard.ts';
import { MAX_UNHEARD_NAMED, UNSURE_FOR_MS } from '../../src/bounds/audience.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { createStoreFixture, type StoreFixture } from '../store/fixture.ts';

function setUp({ alone = false } = {}) {
  const link = { lost: 0 };
  let turn: () => void = () => undefined;
  const told: (readonly CanonicalId[] | null)[] = [];
  const noteUnheard = vi.fn(async (_node: string, ids: readonly CanonicalId[] | null) => {
    told.push(ids);
  });
  const unheard = createUnheard({
    store: { noteUnheard },
    bus: { nodeId: newId(), alone, lost: () => link.lost },
    beat: {
      every(_intervalMs, listener) {
        turn = listener;
        return () => undefined;
      },
    },
    intervalMs: 1_000,
    log: { debug: () => undefined },
  });
  const interval = async (): Promise<void> => {
    turn();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { unheard, link, told, noteUnheard, interval };
}

describe('a node tells the others', () => {
  it('nothing while nothing is lost, and each loss once', async () => {
    const { link, told, interval } = setUp();
    await interval();
    link.lost = 3;
    await interval();
    await interval();
    expect(told).toEqual([null]);
    link.lost = 4;
    await interval();
    expect(told).toEqual([null, null]);
  });

  it('conversations by name while they are few', async () => {
    const { unheard, told, interval } = setUp();
    const ids = Array.from({ length: MAX_UNHEARD_NAMED + 1 }, () => newId());
    for (const id of ids.slice(0, 2)) unheard.add(id);
    await interval();
    expect(told).toEqual([ids.slice(0, 2)]);
    for (const id of ids) unheard.add(id);
    await interval();
    await interval();
    expect(told.slice(1)).toEqual([null]);
  });

  it('until PostgreSQL has taken it, and what comes meanwhile after it', async () => {
    const { unheard, link, told, noteUnheard, interval } = setUp();
    const [first, second] = [newId(), newId()];
    noteUnheard.mockRejectedValueOnce(new Error('PostgreSQL is away'));
    unheard.add(first);
    await interval();
    unheard.add(second);
    await interval();
    expect(told.map((ids) => [...(ids ?? [])].sort())).toEqual([[first, second].sort()]);
    noteUnheard.mockRejectedValueOnce(new Error('PostgreSQL is away'));
    link.lost = 1;
    await interval();
    await interval();
    expect(told.slice(1)).toEqual([null]);
  });

  it('nothing where there are no others', async () => {
    const { unheard, told, interval } = setUp({ alone: true });
    unheard.add(newId());
    await interval();
    expect(told).toEqual([]);
  });
});

describe('at its end a node tells', () => {
  it('what is left, once, after what is under way', async () => {
    const { unheard, link, told, noteUnheard, interval } = setUp();
    const [first, second] = [newId(), newId()];
    let arrive: () => void = () => undefined;
    noteUnheard.mockImplementationOnce(
      (_node, ids) =>
        new Promise((resolve) => {
          arrive = () => {
            told.push(ids);
            resolve();
          };
        }),
    );
    unheard.add(first);
    await interval();
    unheard.add(second);
    unheard.close();
    const last = unheard.lastWord();
    arrive();
    await last;
    expect(told).toEqual([[first], [second]]);
    // What Redis had not taken when the bus was closed.
    link.lost = 1;
    await unheard.lastWord();
    await unheard.lastWord();
    expect(told.slice(2)).toEqual([null]);
  });

  it('and is at its end all the same where PostgreSQL does not take it', async () => {
    const { unheard, noteUnheard } = setUp();
    noteUnheard.mockRejectedValueOnce(new Error('PostgreSQL is away'));
    unheard.add(newId());
    await unheard.lastWord();
    expect(noteUnheard).toHaveBeenCalledOnce();
  });

  it('whether a message may still be stored', () => {
    const { unheard } = setUp();
    expect(unheard.isUnsure()).toBe(false);
    unheard.add(newId());
    expect(unheard.isUnsure()).toBe(true);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + UNSURE_FOR_MS);
    expect(unheard.isUnsure()).toBe(false);
    vi.restoreAllMocks();
  });
});

describe('what is told', () => {
  let f: StoreFixture;
  beforeAll(async () => {
    f = await createStoreFixture();
  });
  afterAll(() => f.close());

  it('every node reads, once it is there', async () => {
    const { next } = await f.store.readNotices(null, 0);
    const [node, one, other] = [newId(), newId(), newId()];
    await f.store.noteUnheard(node, [one, other]);
    await f.store.noteUnheard(node, null);
    const { notices } = await f.store.readNotices(next, 0);
    expect(notices).toEqual(
      [one, other, null].map((conversationId) =>
        expect.objectContaining({ kind: 'unheard', userId: node, conversationId }),
      ),
    );
  });

  it('by one node again and again is in an answer once', async () => {
    const { next } = await f.store.readNotices(null, 0);
    const [node, other, conversation] = [newId(), newId(), newId()];
    for (let count = 0; count < 3; count += 1) {
      await f.store.noteUnheard(node, null);
      await f.store.noteUnheard(node, [conversation]);
      await f.store.noteUnheard(other, null);
    }
    for (const since of [next, null]) {
      const { notices } = await f.store.readNotices(since, 0);
      const told = notices.filter(({ userId }) => userId === node || userId === other);
      expect(told.map((notice) => [notice.userId, Reflect.get(notice, 'conversationId')])).toEqual([
        [node, conversation],
        [node, conversation],
        [node, null],
        [node, conversation],
        [other, null],
      ]);
    }
  });
});
