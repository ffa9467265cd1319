/** The checker itself: a good history passes, and each way of breaking it is called by its name. */
import { describe, expect, test } from 'vitest';
import { checkHistory } from './checker.ts';
import { ALICE, BOB, CAROL, type Case, goodHistory, heard, ROOM } from './good-history.ts';
import type { Attempt, DeviceLog, Send, StreamEvent } from './history.ts';

/** What the checker calls broken after `change`. */
function rulesAfter(change: (parts: Parts) => void): string[] {
  const { history, table } = goodHistory();
  change({ history, table, ...partsOf({ history, table }) });
  return [...new Set(checkHistory(history, table).map(({ rule }) => rule))];
}

interface Parts extends Case {
  bob: DeviceLog;
  carol: DeviceLog;
  send(seq: number): Send;
  attempt(seq: number): Attempt;
}

function partsOf({ history }: Case): Omit<Parts, keyof Case> {
  const [bob, carol] = history.devices;
  if (bob === undefined || carol === undefined) throw new Error('Two devices are expected');
  const send = (seq: number): Send => {
    const found = history.sends[seq - 1];
    if (found === undefined) throw new Error(`There is no send ${seq}`);
    return found;
  };
  const attempt = (seq: number): Attempt => {
    const [found] = send(seq).attempts;
    if (found === undefined) throw new Error(`There is no attempt ${seq}`);
    return found;
  };
  return { bob, carol, send, attempt };
}

/** Where Bob hears message `seq`. */
const indexOf = (device: DeviceLog, seq: number): number =>
  device.events.findIndex((event) => event.kind === 'message' && event.seq === seq);

function unhear(device: DeviceLog, seq: number): StreamEvent[] {
  return device.events.splice(indexOf(device, seq), 1);
}

describe('a history in which everything is right', () => {
  test('passes', () => {
    expect(rulesAfter(() => undefined)).toEqual([]);
  });

  test('passes when nobody knows whether a message was stored, either way', () => {
    const unknown = { outcome: 'unknown', message: null, code: 'no answer' } as const;
    expect(rulesAfter(({ attempt }) => Object.assign(attempt(6), unknown))).toEqual([]);
    const unstored: Attempt = { ...partsOf(goodHistory()).attempt(6), ...unknown };
    expect(
      rulesAfter(({ history, send }) => {
        history.sends.push({ ...send(6), content: 'lost', key: 'k', attempts: [unstored] });
      }),
    ).toEqual([]);
  });

  test('passes when a key is repeated and the first message is given back', () => {
    expect(
      rulesAfter(({ send, attempt }) => {
        const message = { seq: 2, id: 'id 2', duplicate: true };
        send(2).attempts.push({ ...attempt(2), invokedAt: 300, endedAt: 310, message });
      }),
    ).toEqual([]);
  });

  test('passes when a device joins again on the connection that hears it already', () => {
    expect(
      rulesAfter(({ bob }) => {
        bob.events.push(
          { at: 620, kind: 'join', conversationId: ROOM, afterSeq: 4 },
          heard(621, 5),
          heard(622, 6),
          { at: 623, kind: 'joined', conversationId: ROOM, lastSeq: 6, resync: false },
        );
      }),
    ).toEqual([]);
  });

  test('passes when a removed member is added again and asks for what it missed', () => {
    expect(
      rulesAfter(({ carol }) => {
        carol.events.push(
          { at: 617, kind: 'join', conversationId: ROOM, afterSeq: 5 },
          heard(618, 6),
          { at: 619, kind: 'joined', conversationId: ROOM, lastSeq: 6, resync: false },
        );
        carol.events.splice(indexOf(carol, 6), 1);
      }),
    ).toEqual([]);
  });

  test('passes when a device that was too far behind is told to resync', () => {
    expect(
      rulesAfter(({ bob }) => {
        unhear(bob, 4);
        for (const event of bob.events) if (event.kind === 'joined') event.resync = true;
      }),
    ).toEqual([]);
  });

  test('passes when a removed member hears what was said before the removal', () => {
    expect(rulesAfter(removeBobAfter(6))).toEqual([]);
  });
});

function removeBobAfter(lastSeq: number) {
  return ({ table, history, bob }: Parts): void => {
    table.membership.push({ conversationId: ROOM, userId: BOB, action: 'removed', lastSeq });
    history.membership.push({
      action: 'removed',
      conversationId: ROOM,
      userId: BOB,
      invokedAt: 560,
      ackedAt: 570,
    });
    history.marks.length = 0;
    bob.joins = [];
  };
}

test.each<[string, (parts: Parts) => void]>([
  ['acked but not stored', ({ table }) => void table.messages.pop()],
  ['acked with another seq', ({ attempt }) => Object.assign(attempt(3).message ?? {}, { seq: 4 })],
  ['seqs have a gap or a double', ({ table }) => void table.messages.splice(2, 1)],
  ['last_seq is wrong', ({ table }) => Object.assign(table.conversations[0] ?? {}, { lastSeq: 7 })],
  [
    'stored twice',
    ({ table }) => {
      const [row] = table.messages;
      if (row !== undefined) table.messages.push({ ...row, id: 'id 7', seq: 7, key: null });
    },
  ],
  [
    'one key, two messages',
    ({ send, attempt }) =>
      send(1).attempts.push({ ...attempt(1), message: { seq: 2, id: 'id 2', duplicate: true } }),
  ],
  [
    'twice told the first',
    ({ send, attempt }) => send(1).attempts.push({ ...attempt(1), invokedAt: 120, endedAt: 130 }),
  ],
  [
    'a duplicate of nothing',
    ({ attempt }) => Object.assign(attempt(1).message ?? {}, { duplicate: true }),
  ],
  [
    'refused but stored',
    ({ attempt }) =>
      Object.assign(attempt(5), { outcome: 'refused', code: 'unavailable', message: null }),
  ],
  [
    'a participant was refused',
    ({ send, attempt }) =>
      send(5).attempts.push({
        ...attempt(5),
        outcome: 'refused',
        code: 'not_a_participant',
        message: null,
      }),
  ],
  ['a second body under one key', ({ send }) => Object.assign(send(4), { conflicts: true })],
  ['stored with another body', ({ table }) => Object.assign(table.messages[1] ?? {}, { key: 'x' })],
  ['nobody sent this', ({ history }) => void history.sends.splice(1, 1)],
  [
    'order against the acks',
    ({ attempt }) => Object.assign(attempt(2), { invokedAt: 400, endedAt: 420 }),
  ],
  [
    'accepted from an outsider',
    ({ table }) => Object.assign(table.messages[0] ?? {}, { senderId: CAROL }),
  ],
  [
    'a read mark beyond the end',
    ({ table }) => Object.assign(table.cursors[0] ?? {}, { lastReadSeq: 9 }),
  ],
  [
    'a read mark was lost',
    ({ table }) => Object.assign(table.cursors[1] ?? {}, { lastReadSeq: 0 }),
  ],
  [
    'a read mark fell',
    ({ history, table }) => {
      const [mark] = history.marks;
      if (mark === undefined) return;
      history.marks.push({ ...mark, invokedAt: 130, endedAt: 140, lastReadSeq: 0 });
      void table;
    },
  ],
  [
    'a read mark fell before one',
    ({ bob }) => {
      const mark = { kind: 'read', conversationId: ROOM, userId: BOB } as const;
      bob.events.push({ at: 700, ...mark, lastReadSeq: 6 }, { at: 710, ...mark, lastReadSeq: 5 });
    },
  ],
  ['a hole or a jump', ({ bob }) => unhear(bob, 5)],
  ['a replay with a hole', ({ bob }) => unhear(bob, 4)],
  ['heard again', ({ bob }) => bob.events.push(heard(620, 6))],
  ['a hole never closed', ({ bob }) => unhear(bob, 6)],
  [
    'heard again',
    ({ bob }) => {
      // Two deliveries in the wrong order: a jump, and then one that was due before.
      const [six] = unhear(bob, 6);
      if (six !== undefined) bob.events.splice(indexOf(bob, 5), 0, six);
    },
  ],
  [
    'not back at the end',
    ({ bob }) => bob.events.push({ at: 700, kind: 'disconnect', reason: '' }),
  ],
  [
    'not back at the end',
    ({ bob }) => {
      bob.events.length = 0;
    },
  ],
  ['heard without having joined', ({ carol }) => carol.events.splice(3, 0, heard(100, 1))],
  [
    'heard what is not stored',
    ({ bob }) => Object.assign(bob.events[indexOf(bob, 2)] ?? {}, { id: 'id 0' }),
  ],
  [
    'heard with another body',
    ({ bob }) => Object.assign(bob.events[indexOf(bob, 2)] ?? {}, { content: 'else' }),
  ],
  ['heard by an outsider', removeBobAfter(5)],
  [
    'heard by an outsider',
    ({ table }) => {
      table.membership = table.membership.filter(({ userId }) => userId !== CAROL);
    },
  ],
  [
    'joined by an outsider',
    ({ table }) => {
      table.membership = table.membership.filter(({ userId }) => userId !== CAROL);
    },
  ],
  [
    'shown to an outsider',
    ({ history }) => Object.assign(history.readings[0] ?? {}, { shownUpTo: 1 }),
  ],
])('finds: %s', (rule, change) => {
  expect(rulesAfter(change)).toContain(rule);
});

describe('a database that was replaced', () => {
  /** The last two messages were acked and heard, and went with the first database. */
  const lose = ({ table, send }: Parts): void => {
    table.lost = table.messages.splice(4).map((row) => ({ ...row }));
    table.replacedAt = 700;
    table.conversations = [{ id: ROOM, lastSeq: 4 }];
    void send;
  };
  const told: StreamEvent = { at: 710, kind: 'resync', conversationId: ROOM, lastSeq: 4 };
  const back: StreamEvent[] = [
    { at: 720, kind: 'join', conversationId: ROOM, afterSeq: 4 },
    { at: 721, kind: 'joined', conversationId: ROOM, lastSeq: 4, resync: false },
  ];

  test('is the one excuse for what was acked, when everybody was told', () => {
    const rules = rulesAfter((parts) => {
      lose(parts);
      for (const device of [parts.bob, parts.carol]) device.events.push(told, ...back);
    });
    expect(rules).toEqual([]);
  });

  test('is none for whoever was not told', () => {
    const rules = rulesAfter((parts) => {
      lose(parts);
      parts.bob.events.push(told, ...back);
    });
    expect(rules).toEqual(['never told of what was lost']);
  });

  test('must be told before anything newer', () => {
    const rules = rulesAfter((parts) => {
      lose(parts);
      parts.table.messages.push({
        id: 'id 7',
        conversationId: ROOM,
        seq: 5,
        senderId: ALICE,
        content: 'text 1 again',
        key: null,
      });
      parts.history.sends.push({
        ...parts.send(1),
        key: null,
        content: 'text 1 again',
        attempts: [
          { ...parts.attempt(1), invokedAt: 705, endedAt: 706, message: null, outcome: 'unknown' },
        ],
      });
      parts.table.conversations = [{ id: ROOM, lastSeq: 5 }];
      for (const device of [parts.bob, parts.carol]) {
        const newer = { ...heard(708, 5), id: 'id 7', content: 'text 1 again' } as StreamEvent;
        device.events.push(newer);
      }
    });
    expect(rules).toContain('heard something newer than what was lost');
  });

  test('is no place to resume from', () => {
    const rules = rulesAfter((parts) => {
      lose(parts);
      const silently: StreamEvent[] = [
        { at: 720, kind: 'join', conversationId: ROOM, afterSeq: 6 },
        { at: 721, kind: 'joined', conversationId: ROOM, lastSeq: 4, resync: false },
      ];
      parts.bob.events.push(told, ...back);
      parts.carol.events.push(...silently);
    });
    expect(rules).toContain('resumed on what was lost');
  });
});

describe('rows that somebody deleted', () => {
  const remove = ({ table }: Parts, ...seqs: number[]): void => {
    table.deleted = table.messages.filter(({ seq }) => seqs.includes(seq));
    table.messages = table.messages.filter(({ seq }) => !seqs.includes(seq));
  };

  test('are heard or not, in the middle and at the end', () => {
    const rules = rulesAfter((parts) => {
      remove(parts, 2, 4, 6);
      for (const device of [parts.bob, parts.carol]) {
        device.events = device.events.filter(
          (event) => event.kind !== 'message' || event.seq !== 4,
        );
        device.events = device.events.filter(
          (event) => event.kind !== 'message' || event.seq !== 6,
        );
      }
    });
    expect(rules).toEqual([]);
  });

  test('are no reason to read everything again', () => {
    const rules = rulesAfter((parts) => {
      remove(parts, 2);
      parts.bob.events.push(
        { at: 710, kind: 'resync', conversationId: ROOM, lastSeq: 6 },
        { at: 720, kind: 'join', conversationId: ROOM, afterSeq: 6 },
        { at: 721, kind: 'joined', conversationId: ROOM, lastSeq: 6, resync: false },
      );
    });
    expect(rules).toEqual(['told to resync for rows that are gone']);
  });
});

test('an order to end connections leaves nobody connected who was', () => {
  const order = (at: number) =>
    rulesAfter(({ history }) => {
      history.orders.push({ userId: BOB, invokedAt: at, ackedAt: at + 5 });
    });
  expect(order(300)).toEqual([]);
  expect(order(400)).toEqual([]);
  expect(order(500)).toEqual(['an order was not carried out']);
});

test('what an added member is shown of the time before is no offence, once it was added', () => {
  expect(
    rulesAfter(({ carol }) => {
      const at = carol.events.findIndex((event) => event.kind === 'join' && event.afterSeq === 4);
      carol.events.splice(
        at,
        1,
        { at: 480, kind: 'join', conversationId: ROOM, afterSeq: 0 },
        ...[1, 2, 3, 4].map((seq) => heard(480.5, seq)),
      );
    }),
  ).toEqual([]);
  expect(ALICE).not.toBe(CAROL);
});
