/** A small history in which everything is right, for tests that break one thing in it. */
import type { History, StreamEvent, Table } from './history.ts';

export const ROOM = 'room';
export const [ALICE, BOB, CAROL] = ['alice', 'bob', 'carol'] as const;

/** The part of a device's log for one message. */
export function heard(at: number, seq: number): StreamEvent {
  const message = { conversationId: ROOM, seq, id: `id ${seq}`, senderId: ALICE };
  return { at, kind: 'message', ...message, content: `text ${seq}` };
}

export interface Case {
  history: History;
  table: Table;
}

/**
 * Alice says six things. Bob hears three, loses his connection while the fourth is said, and comes
 * back with after_seq. Carol, an outsider, is refused; later she is added and hears the last two.
 */
export function goodHistory(): Case {
  const sends: History['sends'] = [1, 2, 3, 4, 5, 6].map((seq) => ({
    conversationId: ROOM,
    senderId: ALICE,
    key: `key ${seq}`,
    content: `text ${seq}`,
    conflicts: false,
    attempts: [
      {
        via: 'socket',
        node: 0,
        invokedAt: seq * 100,
        endedAt: seq * 100 + 10,
        outcome: 'ok',
        code: null,
        message: { seq, id: `id ${seq}`, duplicate: false },
      },
    ],
  }));
  const bob: StreamEvent[] = [
    { at: 1, kind: 'connect', node: 0 },
    { at: 2, kind: 'join', conversationId: ROOM, afterSeq: null },
    { at: 3, kind: 'joined', conversationId: ROOM, lastSeq: 0, resync: false },
    heard(115, 1),
    { at: 120, kind: 'read', conversationId: ROOM, userId: BOB, lastReadSeq: 1 },
    heard(215, 2),
    heard(315, 3),
    { at: 390, kind: 'disconnect', reason: 'transport close' },
    { at: 450, kind: 'connect', node: 1 },
    { at: 451, kind: 'join', conversationId: ROOM, afterSeq: 3 },
    heard(455, 4),
    { at: 456, kind: 'joined', conversationId: ROOM, lastSeq: 4, resync: false },
    heard(515, 5),
    heard(615, 6),
  ];
  const carol: StreamEvent[] = [
    { at: 1, kind: 'connect', node: 1 },
    { at: 2, kind: 'join', conversationId: ROOM, afterSeq: 0 },
    { at: 3, kind: 'join_refused', conversationId: ROOM, code: 'not_a_participant' },
    { at: 480, kind: 'join', conversationId: ROOM, afterSeq: 4 },
    { at: 481, kind: 'joined', conversationId: ROOM, lastSeq: 4, resync: false },
    heard(516, 5),
    heard(616, 6),
  ];
  return {
    history: {
      sends,
      devices: [
        { name: 'Bob', userId: BOB, joins: [ROOM], events: bob },
        { name: 'Carol', userId: CAROL, joins: [ROOM], events: carol },
      ],
      marks: [
        {
          conversationId: ROOM,
          userId: BOB,
          upToSeq: 1,
          invokedAt: 116,
          endedAt: 119,
          lastReadSeq: 1,
        },
      ],
      membership: [
        { action: 'added', conversationId: ROOM, userId: CAROL, invokedAt: 470, ackedAt: 475 },
      ],
      orders: [],
      readings: [{ conversationId: ROOM, userId: CAROL, at: 50, shownUpTo: null }],
    },
    table: {
      messages: sends.map(({ key, content }, index) => ({
        id: `id ${index + 1}`,
        conversationId: ROOM,
        seq: index + 1,
        senderId: ALICE,
        content,
        key,
      })),
      conversations: [{ id: ROOM, lastSeq: 6 }],
      cursors: [
        { conversationId: ROOM, userId: ALICE, lastReadSeq: 0 },
        { conversationId: ROOM, userId: BOB, lastReadSeq: 1 },
        { conversationId: ROOM, userId: CAROL, lastReadSeq: 4 },
      ],
      membership: [
        { conversationId: ROOM, userId: ALICE, action: 'added', lastSeq: 0 },
        { conversationId: ROOM, userId: BOB, action: 'added', lastSeq: 0 },
        { conversationId: ROOM, userId: CAROL, action: 'added', lastSeq: 4 },
      ],
      lost: [],
      replacedAt: null,
      deleted: [],
    },
  };
}
