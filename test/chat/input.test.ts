/** What somebody sent, read by its schema: checked, and its ids brought into their one spelling. */
import { Type } from '@sinclair/typebox';
import { describe, expect, it } from 'vitest';
import { clientEvents } from '../../src/chat/events.ts';
import { createInputReader } from '../../src/chat/input.ts';
import { CreateConversationInput, Uuid } from '../../src/chat/schemas.ts';

const ID = '3f2b6a1c-9d1e-4c57-8a53-0c4e6f0b9a11';
const OTHER = '00000000-0000-4000-8000-00000000000a';
const send = createInputReader(clientEvents.send_message, {
  whole: 'payload',
  lead: 'send_message: ',
});
const create = createInputReader(CreateConversationInput, { whole: 'body' });

describe('ids', () => {
  it('are folded wherever the schema has one', () => {
    const payload = {
      conversation_id: ID.toUpperCase(),
      sender_id: OTHER.toUpperCase(),
      content: 'STAYS',
      client_message_id: ID.toUpperCase(),
    };
    const before = { ...payload };
    expect(send(payload)).toEqual({
      value: { ...payload, conversation_id: ID, sender_id: OTHER },
    });
    expect(payload).toEqual(before);
  });

  it('are folded in lists, and may be null or missing where the schema says so', () => {
    const given = { participant_ids: [ID.toUpperCase(), OTHER], request_match_id: null };
    expect(create(given)).toEqual({
      value: { participant_ids: [ID, OTHER], request_match_id: null },
    });
    expect(send({ conversation_id: ID, sender_id: null, content: '' })).toEqual({
      value: { conversation_id: ID, sender_id: null, content: '' },
    });
  });

  it('that are canonical already cost nothing: the value is handed on as it is', () => {
    const payload = { conversation_id: ID, content: 'x' };
    const reading = send(payload);
    expect('value' in reading && reading.value).toBe(payload);
  });

  it('are not looked for in what the schema does not know', () => {
    const payload = { conversation_id: ID, content: 'x', other_id: ID.toUpperCase() };
    expect(send(payload)).toEqual({ value: payload });
  });
});

describe('a refusal', () => {
  it.each([
    [{ conversation_id: 'x', content: 'x' }, 'conversation_id'],
    [{ conversation_id: ID }, 'content'],
    [{ conversation_id: ID, content: 7 }, 'content'],
    [null, 'payload'],
    ['text', 'payload'],
    [undefined, 'payload'],
  ])('of %j names %s', (given, field) => {
    expect(send(given)).toMatchObject({
      error: {
        code: 'invalid_request',
        message: `send_message: ${field} is not valid.`,
        details: { [field]: expect.any(String) },
      },
    });
  });

  it('names a place in a list', () => {
    expect(create({ participant_ids: [ID, 'x'] })).toMatchObject({
      error: { message: 'participant_ids.1 is not valid.' },
    });
  });
});

it('a union of which nobody can tell the member is refused before anything is read with it', () => {
  const either = Type.Union([Uuid, Type.Object({ id: Uuid })]);
  expect(() => createInputReader(either, { whole: 'value' })).toThrow(TypeError);
});
