/** What somebody sent, read by its schema: checked, and its ids brought into their one spelling. */
import { Type } from '@sinclair/typebox';
import { describe, expect, it } from 'vitest';
import { clientEvents } from '../../src/chat/events.ts';
import { createInputReader } from '../../src/chat/input.ts';
import {
  ConversationsQuery,
  CreateConversationInput,
  DeliveredInput,
  HistoryQuery,
  MarkReadInput,
  SendInput,
  Uuid,
} from '../../src/chat/schemas.ts';

const ID = '3f2b6a1c-9d1e-4c57-8a53-0c4e6f0b9a11';
const OTHER = '00000000-0000-4000-8000-00000000000a';
const send = createInputReader(clientEvents.send_message, {
  whole: 'payload',
  lead: 'send_message: ',
});
const create = createInputReader(CreateConversationInput, { whole: 'body' });

const SENT = { conversation_id: ID, content: 'x' };
const inputs = {
  CreateConversationInput,
  SendInput,
  MarkReadInput,
  DeliveredInput,
  HistoryQuery,
  ConversationsQuery,
};

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
    [{ conversation_id: 'x', content: 'x' }, 'conversation_id', 'must be a UUID'],
    [{ conversation_id: 7, content: 'x' }, 'conversation_id', 'must be a UUID'],
    [{ conversation_id: ID }, 'content', 'is required'],
    [{ conversation_id: ID, content: 7 }, 'content', 'must be a text'],
    [{ ...SENT, message_type: 'video' }, 'message_type', 'must be one of text, image, location'],
    [{ ...SENT, sender_id: 'x' }, 'sender_id', 'must be a UUID, or null'],
    [
      { ...SENT, client_message_id: '' },
      'client_message_id',
      'must be a text of 1 to 64 characters, or null',
    ],
    [null, 'payload', 'must be an object'],
    ['text', 'payload', 'must be an object'],
    [undefined, 'payload', 'is required'],
  ])('of %j names %s: %s', (given, field, words) => {
    expect(send(given)).toMatchObject({
      error: {
        code: 'invalid_request',
        message: `send_message: ${field} ${words}.`,
        details: { [field]: words },
      },
    });
  });

  it('names a place in a list, and what is wrong with the list', () => {
    const refusal = (participant_ids: unknown) => create({ participant_ids });
    for (const [given, message] of [
      [[ID, 'x'], 'participant_ids.1 must be a UUID.'],
      [[], 'participant_ids must be a list of 1 to 256 entries.'],
      [[ID, ID], 'participant_ids must not hold anything twice.'],
    ] as const) {
      expect(refusal(given)).toMatchObject({ error: { message } });
    }
  });

  /** Every schema that callers are held to, and values of every kind for each of its fields. */
  const schemas = { ...clientEvents, ...inputs };
  const wrong = [null, true, -1, 0.5, 1e300, '', 'x'.repeat(3_000), [], ['x'], {}];
  it.each(Object.entries(schemas))('of %s has no words of the validator', (_name, schema) => {
    const read = createInputReader(schema, { whole: 'payload' });
    const fields = Object.keys(schema.properties);
    const given = fields.flatMap((field) => wrong.map((value) => ({ [field]: value })));
    const refusals = [...given, ...wrong].map(read).flatMap((one) => ('error' in one ? one : []));
    expect(refusals.length).toBeGreaterThan(0);
    for (const { error } of refusals) {
      expect(error.message).toMatch(/^[\w.]+ (?:is required|must [ ,\w]+)\.$/);
      expect(error.message).not.toMatch(/Expected|union|9007199254740991/);
    }
  });
});

it('a union of which nobody can tell the member is refused before anything is read with it', () => {
  const either = Type.Union([Uuid, Type.Object({ id: Uuid })]);
  expect(() => createInputReader(either, { whole: 'value' })).toThrow(TypeError);
});
