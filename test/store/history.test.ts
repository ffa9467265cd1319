import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryRequest } from '../../src/chat/ports.ts';
import { createStoreFixture, nobody, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: string;
let bob: string;
let talk: string;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
  talk = await f.conversation([alice, bob]);
  for (let n = 0; n < 5; n += 1) {
    await f.post(talk, alice);
    await f.post(talk, bob);
  }
});
afterAll(() => f.close());

const read = (request: Partial<HistoryRequest>) =>
  f.store.readHistory({
    conversationId: talk,
    viewerId: alice,
    limit: 3,
    place: { offset: 0 },
    ...request,
  });

async function seqs(request: Partial<HistoryRequest>): Promise<number[]> {
  const page = await read(request);
  if (page.outcome !== 'page') throw new Error(page.outcome);
  expect(page.total).toBe(10);
  return page.messages.map(({ seq }) => seq);
}

describe('a page of history', () => {
  it('is the newest in chronological order', async () => {
    expect(await seqs({})).toEqual([8, 9, 10]);
  });

  it('at an offset counts from the newest', async () => {
    expect(await seqs({ place: { offset: 2 } })).toEqual([6, 7, 8]);
    expect(await seqs({ place: { offset: 8 } })).toEqual([1, 2]);
    expect(await seqs({ place: { offset: 10 } })).toEqual([]);
    expect(await seqs({ place: { offset: Number.MAX_SAFE_INTEGER } })).toEqual([]);
  });

  it('before a seq goes down from it, after a seq goes up from it', async () => {
    expect(await seqs({ place: { beforeSeq: 5 } })).toEqual([2, 3, 4]);
    expect(await seqs({ place: { beforeSeq: 1 } })).toEqual([]);
    expect(await seqs({ place: { beforeSeq: Number.MAX_SAFE_INTEGER } })).toEqual([8, 9, 10]);
    expect(await seqs({ place: { afterSeq: 0 } })).toEqual([1, 2, 3]);
    expect(await seqs({ place: { afterSeq: 8 } })).toEqual([9, 10]);
    expect(await seqs({ place: { afterSeq: 10 } })).toEqual([]);
  });

  it('between two seqs goes up from the lower', async () => {
    expect(await seqs({ place: { afterSeq: 2, beforeSeq: 5 } })).toEqual([3, 4]);
    expect(await seqs({ place: { afterSeq: 2, beforeSeq: 9 } })).toEqual([3, 4, 5]);
    expect(await seqs({ place: { afterSeq: 5, beforeSeq: 5 } })).toEqual([]);
  });

  it('has the whole message, its sender named', async () => {
    const page = await read({ limit: 1, place: { offset: 9 } });
    if (page.outcome !== 'page') throw new Error(page.outcome);
    expect(page.messages).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        conversation_id: talk,
        seq: 1,
        sender_id: alice,
        sender_name: 'Alice',
        content: 'message 1',
        message_type: 'text',
        media_url: null,
        client_message_id: null,
        status: 'sent',
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    ]);
  });

  it('of an empty conversation is empty', async () => {
    const conversationId = await f.conversation([alice]);
    expect(await read({ conversationId })).toEqual({ outcome: 'page', messages: [], total: 0 });
  });

  it('shows what older programs stored in a form of ours', async () => {
    const conversationId = await f.conversation([alice, bob]);
    await f.post(conversationId, bob, 2);
    await f.sql`
      UPDATE messaging.messages SET status = NULL, message_type = NULL, created_at = NULL
      WHERE conversation_id = ${conversationId} AND seq = 1`;
    await f.sql`
      UPDATE messaging.messages SET status = 'seen', message_type = 'sticker',
        created_at = '2024-02-29 23:59:59.999999'
      WHERE conversation_id = ${conversationId} AND seq = 2`;
    const page = await read({ conversationId });
    if (page.outcome !== 'page') throw new Error(page.outcome);
    expect(page.messages).toMatchObject([
      { status: 'sent', message_type: 'text', created_at: '1970-01-01T00:00:00.000Z' },
      { status: 'sent', message_type: 'text', created_at: '2024-02-29T23:59:59.999Z' },
    ]);
  });
});

describe('who may read', () => {
  it('a participant, and a service', async () => {
    expect(await seqs({ viewerId: bob })).toEqual([8, 9, 10]);
    expect(await seqs({ viewerId: null })).toEqual([8, 9, 10]);
  });

  it('nobody else', async () => {
    expect(await read({ viewerId: await f.user() })).toEqual({ outcome: 'not_a_participant' });
  });

  it('not a removed participant, whose messages stay and keep their name', async () => {
    const carol = await f.user('Carol');
    const conversationId = await f.conversation([alice, carol]);
    await f.post(conversationId, carol);
    await f.store.removeParticipant({ conversationId, userId: carol });
    expect(await read({ conversationId, viewerId: carol })).toEqual({
      outcome: 'not_a_participant',
    });
    expect(await read({ conversationId })).toMatchObject({
      messages: [{ sender_id: carol, sender_name: 'Carol' }],
    });
  });

  it('a conversation that does not exist has its own outcome', async () => {
    for (const viewerId of [alice, null]) {
      expect(await read({ conversationId: nobody, viewerId })).toEqual({
        outcome: 'no_conversation',
      });
    }
  });
});
