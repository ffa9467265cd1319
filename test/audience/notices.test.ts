/** Notices read from PostgreSQL: taken once, none lost, whatever fails on the way and whenever. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type CatchUpDeps, createCatchUp } from '../../src/audience/catch-up.ts';
import type { Conversation } from '../../src/chat/schemas.ts';
import { createBeat } from '../../src/shared/beat.ts';
import { foldId, newId } from '../../src/shared/ids.ts';

const PERSON = foldId('00000000-0000-4000-8000-00000000000a');
const CONVERSATION = foldId('00000000-0000-4000-8000-0000000000c0');
const created = {
  kind: 'added' as const,
  userId: PERSON,
  conversationId: CONVERSATION,
  membersVersion: 1,
  ageMs: 10,
};
const NODE = '00000000-0000-4000-8000-0000000000d0';
const order = { kind: 'disconnect' as const, userId: PERSON, ageMs: 10 };

type Answer = Awaited<ReturnType<CatchUpDeps['store']['readNotices']>>;

const running: { close(): void }[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.close();
});

/** A catch-up over these answers, one for each check; then nothing is new. */
function setUp(answers: (Answer | Promise<Answer>)[]) {
  const conversation = { id: CONVERSATION } as Conversation;
  const readConversation = vi.fn(async (): Promise<Conversation | null> => conversation);
  const readNotices = vi.fn(
    async (_since: string | null, _backMs: number) => answers.shift() ?? { notices: [], next: '9' },
  );
  const disconnectOlder = vi.fn();
  const conversationCreated = vi.fn();
  const checkAll = vi.fn();
  const compare = vi.fn();
  const catchUp = createCatchUp({
    store: { readNotices, readConversation, forgetOldNotices: vi.fn(), readCursors: vi.fn() },
    rooms: { open: () => [], size: () => 0, checkAll, compare },
    nodeId: NODE,
    users: { has: () => true, size: () => 1, disconnectOlder },
    announcer: { here: { conversationCreated, memberChanged: vi.fn(), cursorsMoved: vi.fn() } },
    beat: createBeat(),
    intervalMs: 5,
    log: { debug: vi.fn() },
  });
  running.push(catchUp);
  return {
    catchUp,
    readConversation,
    readNotices,
    disconnectOlder,
    conversationCreated,
    checkAll,
    compare,
  };
}

describe('a notice that cannot be taken', () => {
  it('holds up no order behind it, and is taken at a later check', async () => {
    const notices = [
      { id: 1, ...created },
      { id: 2, ...order },
    ];
    const answer = { notices, next: '7' };
    const all = setUp([answer, answer]);
    all.readConversation.mockRejectedValueOnce(new Error('PostgreSQL is away'));
    await vi.waitFor(() => expect(all.conversationCreated).toHaveBeenCalledOnce());
    await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(2));
    expect(all.disconnectOlder).toHaveBeenCalledOnce();
    // From where it was asked before, until all of it was taken.
    expect(all.readNotices.mock.calls.slice(0, 3).map(([since]) => since)).toEqual([
      null,
      null,
      '7',
    ]);
  });
});

it('what another node could not tell is looked for: in that conversation, or in all', async () => {
  const unheard = { kind: 'unheard' as const, ageMs: 10 };
  const other = foldId('00000000-0000-4000-8000-0000000000d1');
  const notices = [
    { id: 1, ...unheard, userId: other, conversationId: CONVERSATION },
    { id: 2, ...unheard, userId: foldId(NODE), conversationId: null },
  ];
  const all = setUp([
    { notices, next: '7' },
    { notices: [{ id: 3, ...unheard, userId: other, conversationId: null }], next: '8' },
  ]);
  await vi.waitFor(() => expect(all.compare).toHaveBeenCalledWith(CONVERSATION));
  await vi.waitFor(() => expect(all.checkAll).toHaveBeenCalledOnce());
  // What this node told itself it knows.
  expect(all.compare).toHaveBeenCalledOnce();
});

it('what many nodes could not tell is looked for once for all of them', async () => {
  const notices = Array.from({ length: 50 }, (_, index) => ({
    id: index + 1,
    kind: 'unheard' as const,
    userId: newId(),
    conversationId: null,
    ageMs: 10,
  }));
  const all = setUp([
    { notices, next: '7' },
    { notices, next: '7' },
  ]);
  await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(2));
  expect(all.checkAll).toHaveBeenCalledOnce();
});

describe('PostgreSQL becomes another one', () => {
  it('while an answer of the first is on its way: it says nothing of where to go on', async () => {
    let arrive: (answer: Answer) => void = () => undefined;
    const late = new Promise<Answer>((resolve) => {
      arrive = resolve;
    });
    const all = setUp([late]);
    await vi.waitFor(() => expect(all.readNotices).toHaveBeenCalledOnce());
    all.catchUp.startAnew();
    arrive({ notices: [{ id: 1, ...order }], next: '70000' });
    await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(1));
    expect(all.readNotices.mock.calls[1]?.[0]).toBeNull();
    expect(all.disconnectOlder).not.toHaveBeenCalled();
  });

  it('after a long outage: what was not seen before it is looked for as well', async () => {
    const all = setUp([{ notices: [], next: '7' }]);
    await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(1));
    all.readNotices.mockRejectedValue(new Error('PostgreSQL is away'));
    const began = performance.now();
    const tried = all.readNotices.mock.calls.length;
    await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(tried + 5));
    const awayMs = performance.now() - began;
    all.catchUp.startAnew();
    all.readNotices.mockResolvedValue({ notices: [], next: '3' });
    const before = all.readNotices.mock.calls.length;
    await vi.waitFor(() => expect(all.readNotices.mock.calls.length).toBeGreaterThan(before));
    const [since, backMs] = all.readNotices.mock.calls[before] ?? [];
    expect(since).toBeNull();
    expect(backMs).toBeGreaterThanOrEqual(awayMs - 15);
  });
});
