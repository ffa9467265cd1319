/** The reference client's window when the service has gone back behind what it held. */

import type { Message } from 'messaging-service/events';
import { describe, expect, it } from 'vitest';
import { hear, mergeStatuses, moveCursor, newThread, restart, trim } from '../../web/src/thread.ts';

const ME = 'me';
const message = (seq: number, of = 'first'): Message => ({
  id: `${of} ${seq}`,
  conversation_id: 'c',
  seq,
  sender_id: ME,
  sender_name: 'Me',
  content: `${of} ${seq}`,
  message_type: 'text',
  media_url: null,
  client_message_id: `${of} ${seq}`,
  status: 'sent',
  created_at: '2026-01-01T00:00:00.000Z',
});
const outgoing = {
  client_message_id: 'k',
  conversation_id: 'c',
  content: 'x',
  message_type: 'text' as const,
  media_url: null,
  created_at: '2026-01-01T00:00:00.000Z',
};

/** A window of five messages that everybody has read, and one of one's own acknowledged, not heard. */
function lively() {
  const thread = newThread('c');
  thread.participants = [
    { id: ME, name: 'Me' },
    { id: 'bob', name: 'Bob' },
  ];
  restart(thread, 0);
  for (let seq = 1; seq <= 5; seq += 1) hear(thread, message(seq), ME);
  moveCursor(thread, 'read', 'bob', 5, ME);
  Object.assign(thread, { lastReadSeq: 5, seenSeq: 5, deliveredSeq: 5 });
  thread.outgoing = [{ ...outgoing, state: 'stored', seq: 6 }];
  return thread;
}

it('goes on over messages that are not there any more, also where it is trimmed', () => {
  const thread = newThread('c');
  restart(thread, 0);
  for (const seq of [1, 4, 6, 7]) expect(hear(thread, message(seq), ME)).toBe('new');
  expect(thread).toMatchObject({ head: 7, first: 1 });
  trim(thread, 2);
  expect(thread).toMatchObject({ first: 6, messages: [{ seq: 6 }, { seq: 7 }] });
});

describe('a window that begins anew lower than it stood', () => {
  it('holds nothing of what was lost', () => {
    const thread = lively();
    restart(thread, 3);
    expect(thread).toMatchObject({ head: 3, first: 4, messages: [], lastMessage: null });
    expect(thread).toMatchObject({ lastReadSeq: 3, seenSeq: 3, deliveredSeq: 3 });
    expect(hear(thread, message(4, 'second'), ME)).toBe('new');
    expect(thread.messages).toMatchObject([{ id: 'second 4', status: 'sent' }]);
  });

  it('sends again what was acknowledged and not heard', () => {
    const thread = lively();
    restart(thread, 3);
    expect(thread.outgoing).toEqual([{ ...outgoing, state: 'waiting' }]);
  });

  it('takes no status of a lost message for that of another in its place', () => {
    const thread = lively();
    restart(thread, 3);
    hear(thread, message(4, 'second'), ME);
    mergeStatuses(thread, [{ ...message(4), status: 'read' }]);
    expect(thread.messages).toMatchObject([{ id: 'second 4', status: 'sent' }]);
  });
});
