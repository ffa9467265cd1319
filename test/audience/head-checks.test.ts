/** Which rooms are compared with PostgreSQL, and when: by intervals that the test turns. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newChecked } from '../../src/audience/checked.ts';
import { createHeadChecks, type HeadChecks } from '../../src/audience/head-checks.ts';
import type { Room } from '../../src/audience/room.ts';
import { MAX_HEAD_CHECK_PAUSE } from '../../src/bounds/audience.ts';
import type { ConversationHead, Moved } from '../../src/chat/ports.ts';

const BATCH = 1_000;
const NOTHING: Moved = { moved: [], gone: [] };
const open: HeadChecks[] = [];

afterEach(() => {
  for (const checks of open.splice(0)) checks.close();
});

function setUp() {
  const rooms = new Map<string, Room>();
  const asked: string[][] = [];
  const link = { isDeaf: false, connectionsLost: 0 };
  let turn: () => void = () => undefined;
  const readMoved = vi.fn(async (_known: readonly ConversationHead[]) => NOTHING);
  const checks = createHeadChecks({
    store: {
      readMoved(known) {
        asked.at(-1)?.push(...known.map(({ conversationId }) => conversationId));
        return readMoved(known);
      },
    },
    beat: {
      every(_intervalMs, listener) {
        turn = listener;
        return () => undefined;
      },
    },
    rooms,
    isDeaf: () => link.isDeaf,
    connectionsLost: () => link.connectionsLost,
    limits: { headCheckIntervalMs: 1_000, headCheckBatch: BATCH },
    log: { debug: () => undefined },
  });
  open.push(checks);

  function add(name: string) {
    const seen = { doubts: 0, noticed: [] as number[] };
    const room = {
      conversationId: name,
      head: 7,
      opened: true,
      members: { version: 1 },
      checked: newChecked(),
      doubt: () => {
        seen.doubts += 1;
      },
      noticeHead: (lastSeq: number) => {
        seen.noticed.push(lastSeq);
      },
    };
    const known = room as unknown as Room;
    rooms.set(name, known);
    checks.opened(known);
    return {
      ...seen,
      seen,
      known,
      /** A message is handed out. */
      move() {
        room.head += 1;
        if (room.checked.quiet > 0) checks.moved(known);
      },
    };
  }

  /** Lets one interval pass; who was asked for in it. */
  async function interval(): Promise<string[]> {
    const names: string[] = [];
    asked.push(names);
    turn();
    await settled();
    return names;
  }

  /** In which of the next intervals a room is asked for, counted from 1. */
  async function intervalsOf(name: string, count: number): Promise<number[]> {
    const found: number[] = [];
    for (let at = 1; at <= count; at += 1) if ((await interval()).includes(name)) found.push(at);
    return found;
  }

  return { rooms, checks, readMoved, link, add, interval, intervalsOf, asked };
}

/** Everything that can go on without another interval has. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const gaps = (moments: number[]) => moments.map((at, index) => at - (moments[index - 1] ?? 0));

describe('a silent room', () => {
  it('is asked for at growing intervals, up to the bound', async () => {
    const { add, intervalsOf } = setUp();
    add('a');
    const [first, second, third, ...later] = gaps(await intervalsOf('a', 200));
    expect([first, second, third]).toEqual([1, 1, 2]);
    expect(later[0]).toBeGreaterThan(2);
    for (const gap of later.slice(3)) {
      expect(gap).toBeGreaterThan(MAX_HEAD_CHECK_PAUSE / 2);
      expect(gap).toBeLessThanOrEqual(MAX_HEAD_CHECK_PAUSE);
    }
  });

  it('is asked for soon again once it has moved, by itself or by an answer', async () => {
    const { add, interval, intervalsOf, readMoved } = setUp();
    const a = add('a');
    await intervalsOf('a', 100);
    a.move();
    expect(gaps(await intervalsOf('a', 4))).toEqual([1, 1, 2]);
    await intervalsOf('a', 100);
    const moved = [{ conversationId: 'a', lastSeq: 9, membersVersion: 1 }] as ConversationHead[];
    readMoved.mockImplementation(async (known) =>
      known.length === 0 ? NOTHING : { moved, gone: [] },
    );
    await intervalsOf('a', MAX_HEAD_CHECK_PAUSE);
    expect(a.seen.noticed).toEqual(expect.arrayContaining([9]));
    expect(await interval()).toEqual(['a']);
  });
});

it('a busy room is never asked for, and as soon as it falls silent', async () => {
  const { add, interval } = setUp();
  const a = add('a');
  for (let index = 0; index < 50; index += 1) {
    a.move();
    expect(await interval()).toEqual([]);
  }
  expect(await interval()).toEqual(['a']);
});

it('what is due costs a tenth of all, is spread, and others are not looked at', async () => {
  const { add, interval, rooms } = setUp();
  for (let index = 0; index < 1_000; index += 1) add(`room ${index}`);
  for (let index = 0; index < 100; index += 1) await interval();
  const all = vi.spyOn(rooms, 'values');
  const counts: number[] = [];
  for (let index = 0; index < 64; index += 1) counts.push((await interval()).length);
  expect(Math.max(...counts)).toBeLessThan(300);
  expect(counts.reduce((sum, count) => sum + count) / counts.length).toBeLessThan(100);
  expect(all).not.toHaveBeenCalled();
});

describe('where something may be lost', () => {
  it('everything is asked for at once, and then as if it had just moved', async () => {
    const { add, asked, checks, intervalsOf } = setUp();
    for (const name of ['a', 'b', 'c']) add(name);
    await intervalsOf('a', 100);
    asked.push([]);
    checks.all();
    await settled();
    expect(asked.at(-1)?.sort()).toEqual(['a', 'b', 'c']);
    expect(gaps(await intervalsOf('a', 3))).toEqual([1, 2]);
  });

  it('also what is being asked for: that answer may be older', async () => {
    const { add, asked, checks, readMoved, interval } = setUp();
    add('a');
    let answer: (moved: Moved) => void = () => undefined;
    readMoved.mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    expect(await interval()).toEqual(['a']);
    asked.push([]);
    checks.all();
    answer(NOTHING);
    await settled();
    expect(asked.at(-1)).toEqual(['a']);
  });

  it('a suspect room alone is asked for at the next interval', async () => {
    const { add, checks, interval, intervalsOf } = setUp();
    const a = add('a');
    add('b');
    await intervalsOf('a', 100);
    while ((await interval()).length > 0) {
      // Until both are at rest.
    }
    checks.suspect(a.known);
    expect(await interval()).toContain('a');
    expect(gaps(await intervalsOf('a', 3))).toEqual([1, 2]);
  });

  it('while the bus is away everything is asked for at every interval', async () => {
    const { add, link, intervalsOf } = setUp();
    add('a');
    await intervalsOf('a', 100);
    link.isDeaf = true;
    expect(await intervalsOf('a', 5)).toEqual([1, 2, 3, 4, 5]);
    link.isDeaf = false;
    expect(gaps(await intervalsOf('a', 3))).toEqual([1, 2]);
  });
});

describe('a pass that takes longer than an interval', () => {
  /** Each question is answered when the test says so. */
  function setUpSlow() {
    const all = setUp();
    const answers: (() => void)[] = [];
    all.readMoved.mockImplementation(
      () => new Promise((resolve) => answers.push(() => resolve(NOTHING))),
    );
    for (let index = 0; index < 4 * BATCH; index += 1) all.add(`room ${index}`);
    const answerOne = async () => {
      answers.shift()?.();
      await settled();
    };
    return { ...all, answerOne };
  }

  it('comes to every room, while the bus is away', async () => {
    const { asked, link, interval, answerOne } = setUpSlow();
    link.isDeaf = true;
    for (let count = 0; count < 4; count += 1) {
      await interval();
      await answerOne();
    }
    expect(new Set(asked.flat()).size).toBe(4 * BATCH);
  });

  it('and while something is lost again and again', async () => {
    const { asked, checks, interval, answerOne } = setUpSlow();
    await interval();
    for (let count = 0; count < 4; count += 1) {
      checks.all();
      await answerOne();
    }
    expect(new Set(asked.flat()).size).toBe(4 * BATCH);
  });
});

describe('PostgreSQL that was away may be back with less, under the same name', () => {
  it('all are compared after a comparison that failed', async () => {
    const { add, interval, intervalsOf, readMoved } = setUp();
    for (const name of ['a', 'b', 'c']) add(name);
    await intervalsOf('a', 100);
    readMoved.mockRejectedValueOnce(new Error('PostgreSQL is away'));
    await interval();
    expect((await interval()).sort()).toEqual(['a', 'b', 'c']);
  });

  it('all are compared after a connection was lost', async () => {
    const { add, interval, intervalsOf, link } = setUp();
    for (const name of ['a', 'b', 'c']) add(name);
    await intervalsOf('a', 100);
    link.connectionsLost += 1;
    expect((await interval()).sort()).toEqual(['a', 'b', 'c']);
    // As if they had just moved.
    expect((await interval()).sort()).toEqual(['a', 'b', 'c']);
    expect(await interval()).toEqual([]);
  });
});

it('what another node tells of is asked for at once, and once', async () => {
  const { add, asked, checks, intervalsOf } = setUp();
  const a = add('a');
  await intervalsOf('a', 100);
  asked.push([]);
  checks.compare(a.known);
  await settled();
  expect(asked.at(-1)).toEqual(['a']);
  expect(gaps(await intervalsOf('a', 3))).toEqual([1, 2]);
});

it('what could not be asked is at the next interval, without a longer pause after it', async () => {
  const { add, checks, interval, intervalsOf, readMoved } = setUp();
  for (let index = 0; index < 2 * BATCH; index += 1) add(`room ${index}`);
  await intervalsOf('room 0', 100);
  checks.all();
  await settled();
  readMoved.mockRejectedValue(new Error('PostgreSQL is away'));
  for (let index = 0; index < 6; index += 1) await interval();
  expect(checks.stats.headCheckFailures).toBe(6);
  readMoved.mockResolvedValue(NOTHING);
  expect(gaps(await intervalsOf('room 0', 4))).toEqual([1, 1, 2]);
});

it('one question goes out at every interval, also with nobody here', async () => {
  const { interval, readMoved } = setUp();
  for (let index = 0; index < 5; index += 1) await interval();
  expect(readMoved.mock.calls).toEqual([[[]], [[]], [[]], [[]], [[]]]);
});

it('a room that is closed is forgotten, and the next one of its conversation is not', async () => {
  const { add, interval, rooms } = setUp();
  add('a');
  rooms.delete('a');
  expect(await interval()).toEqual([]);
  add('b');
  rooms.delete('b');
  add('b');
  expect(await interval()).toEqual(['b']);
});

it('a room that is being opened waits', async () => {
  const { add, interval } = setUp();
  const { known } = add('a');
  const opening = known as unknown as { opened: boolean };
  opening.opened = false;
  expect([await interval(), await interval()]).toEqual([[], []]);
  opening.opened = true;
  expect(await interval()).toEqual(['a']);
});

it('PostgreSQL further back, and a conversation that is gone, are doubted', async () => {
  const { add, interval, readMoved } = setUp();
  const [a, b] = [add('a'), add('b')];
  readMoved.mockResolvedValueOnce({
    moved: [{ conversationId: 'a', lastSeq: 6, membersVersion: 1 }] as ConversationHead[],
    gone: ['b'] as never,
  });
  await interval();
  expect([a.seen, b.seen]).toEqual([
    { doubts: 1, noticed: [] },
    { doubts: 1, noticed: [] },
  ]);
});
