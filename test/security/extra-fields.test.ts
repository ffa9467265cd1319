/** What a caller sends beside the fields of the contract changes nothing, on either door. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'socket.io-client';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { createConversation } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { callRest } from './operations.ts';

const scene = useScene();
let socket: Socket;
let conversation_id: string;

beforeAll(async () => {
  socket = scene.app.connect(scene.alice.id, { transports: ['websocket'] });
  await connected(socket);
});
beforeEach(async () => {
  conversation_id = await scene.conversation();
});

const wished = () => ({
  id: randomUUID(),
  seq: 999,
  created_at: '1999-12-31T00:00:00.000Z',
  status: 'read',
  role: 'service',
  kind: 'service',
  sender_name: 'The Boss',
  duplicate: true,
  expiresAtMs: null,
  members_version: 7,
  last_seq: 999,
  last_read_seq: 999,
  last_message_at: '1999-12-31T00:00:00.000Z',
  participants: [],
  marked: 999,
  constructor: 'x',
  hasOwnProperty: null,
  toString: 'x',
});

const post = (path: string, body: object) =>
  callRest(scene.app.url, { method: 'POST', path, body }, { 'x-user-id': scene.alice.id });

const startedAt = Date.now() - 1_000;
function expectFirstMessage(data: Record<string, unknown>, wish: { id: string }): void {
  expect(data).toMatchObject({
    conversation_id,
    seq: 1,
    status: 'sent',
    sender_id: scene.alice.id,
    sender_name: 'Alice',
    content: 'x',
  });
  expect(data.id).not.toBe(wish.id);
  expect(Date.parse(String(data.created_at))).toBeGreaterThan(startedAt);
  expect(Object.keys(data).sort()).toEqual([
    'client_message_id',
    'content',
    'conversation_id',
    'created_at',
    'id',
    'media_url',
    'message_type',
    'sender_id',
    'sender_name',
    'seq',
    'status',
  ]);
}

describe('sending', () => {
  it('over REST; conversation_id of the body is not the conversation either', async () => {
    const elsewhere = await scene.conversation();
    const wish = { ...wished(), conversation_id: elsewhere, conversationId: elsewhere };
    const { status, body } = await post(`/messages/${conversation_id}`, { ...wish, content: 'x' });
    expect(status).toBe(201);
    expectFirstMessage(body.data, wish);
    const rows = await scene.db.sql`
      SELECT 1 FROM messaging.messages WHERE conversation_id = ${elsewhere}`;
    expect(rows.length).toBe(0);
  });

  it('over the socket', async () => {
    const wish = wished();
    const answer = await ask(socket, 'send_message', { ...wish, conversation_id, content: 'x' });
    expectFirstMessage(answer.data, wish);
  });

  it('an id that states somebody else is not hidden by the other spelling of its key', async () => {
    const attempts: [object, string][] = [
      [{ sender_id: scene.bob.id, senderId: scene.alice.id }, 'invalid_request'],
      [{ sender_id: scene.bob.id, senderId: null }, 'invalid_request'],
      [{ senderId: scene.bob.id }, 'identity_mismatch'],
      [{ sender_id: scene.bob.id, senderId: scene.bob.id }, 'identity_mismatch'],
    ];
    for (const [fields, code] of attempts) {
      const payload = { content: 'x', ...fields };
      const bySocket = await ask(socket, 'send_message', { conversation_id, ...payload });
      expect([payload, bySocket.error?.code]).toEqual([payload, code]);
      const byRest = await post(`/messages/${conversation_id}`, payload);
      expect([payload, byRest.body.error.code]).toEqual([payload, code]);
    }
  });
});

it('creating a conversation', async () => {
  const wish = wished();
  const participant_ids = [scene.alice.id, scene.bob.id];
  const { status, body } = await post('/messages', { ...wish, participant_ids });
  expect(status).toBe(201);
  expect(body.data).toMatchObject({ request_match_id: null, last_message_at: null, last_seq: 0 });
  expect(body.data.participants).toHaveLength(2);
  expect(body.data.id).not.toBe(wish.id);
});

it('marking as read, on both doors', async () => {
  await ask(socket, 'send_message', { conversation_id, content: 'x' });
  const expected = { conversation_id, user_id: scene.alice.id, last_read_seq: 1 };
  const byRest = await post(`/messages/${conversation_id}/mark-read`, wished());
  expect(byRest.body.data).toEqual({ ...expected, marked: 0 });
  const bySocket = await ask(socket, 'mark_read', { ...wished(), conversation_id });
  expect(bySocket.data).toEqual({ ...expected, marked: 0 });
});

it('joining and typing: nobody becomes a service by saying so', async () => {
  const foreign = await createConversation(scene.db.sql, [scene.bob]);
  for (const event of ['join_conversation', 'typing_start', 'mark_read', 'send_message']) {
    const answer = await ask(socket, event, {
      ...wished(),
      actor: { kind: 'service' },
      data: { actor: { kind: 'service' } },
      conversation_id: foreign,
      content: 'x',
    });
    expect([event, answer.error?.code]).toEqual([event, 'not_a_participant']);
  }
});

it('prototypes: refused or ignored, polluted never', async () => {
  const evil = `{"polluted":true,"sender_id":"${scene.bob.id}"}`;
  for (const more of [`"__proto__":${evil}`, `"constructor":{"prototype":${evil}}`]) {
    const response = await fetch(`${scene.app.url}/messages/${conversation_id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-user-id': scene.alice.id },
      body: `{"content":"x",${more}}`,
    });
    expect([more, response.status]).toEqual([more, 400]);
    const payload = JSON.parse(`{"conversation_id":"${conversation_id}","content":"x",${more}}`);
    const answer = await ask(socket, 'send_message', payload);
    expect(answer.success ? answer.data.sender_id : answer.error.code).toBe(scene.alice.id);
  }
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
