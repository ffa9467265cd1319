/** What a node tells the others through PostgreSQL, because they may not have heard it. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createUnheard } from '../../src/audience/unheard.ts';
import { MAX_UNHEARD_NAMED } from '../../src/bounds/audience.ts';
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
});
