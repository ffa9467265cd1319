/** /docs/events: valid AsyncAPI, complete, and true of what a real node answers. */
import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, it } from 'vitest';
import { acknowledgements, clientEvents, serverEvents } from '../../src/chat/events.ts';
import { createEventDocument } from '../../src/http/event-document.ts';
import { ask, connected } from '../support/app.ts';
import { useScene } from '../support/scene.ts';
import { once } from '../support/wait.ts';

interface EventDocument {
  asyncapi: string;
  channels: { socket: { messages: Record<string, { summary?: string; payload: object }> } };
  operations: Record<string, { action: string }>;
}

const scene = useScene();
let document: EventDocument;

beforeAll(async () => {
  document = (await (await fetch(`${scene.app.url}/docs/events`)).json()) as EventDocument;
});

const ajv = new Ajv({ strict: false });

function fault(message: string, payload: unknown): string | null {
  const schema = document.channels.socket.messages[message]?.payload;
  if (schema === undefined) throw new Error(`${message} is not in the document`);
  return ajv.validate(schema, payload) ? null : ajv.errorsText();
}

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3', async () => {
    expect(document.asyncapi).toBe('3.0.0');
    const { document: parsed, diagnostics } = await new Parser().parse(JSON.stringify(document));
    const errors = diagnostics.filter(({ severity }) => severity === 0);
    expect(errors.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
    expect(parsed?.operations().all().length).toBe(
      Object.keys(clientEvents).length + Object.keys(serverEvents).length,
    );
  });

  it('a broken one is not', async () => {
    const broken = structuredClone(document);
    const operation = broken.operations.send_message;
    if (operation !== undefined) operation.action = 'shout';
    const { diagnostics } = await new Parser().parse(JSON.stringify(broken));
    expect(diagnostics.filter(({ severity }) => severity === 0).length).toBeGreaterThan(0);
  });

  it('has every event with a sentence, in its direction', () => {
    expect(document).toEqual(createEventDocument('0.0.0-test'));
    for (const [events, action] of [
      [clientEvents, 'receive'],
      [serverEvents, 'send'],
    ] as const) {
      for (const event of Object.keys(events)) {
        expect([event, document.operations[event]?.action]).toEqual([event, action]);
        expect(document.channels.socket.messages[event]?.summary, event).toMatch(/\w/);
      }
    }
  });

  it('is true of the acknowledgements and events of a real node', async () => {
    const conversation_id = await scene.conversation();
    const a = scene.app.connect(scene.alice.id);
    const b = scene.app.connect(scene.bob.id);
    await Promise.all([connected(a), connected(b)]);
    const heard = Object.keys(serverEvents)
      .filter(
        (event) => !['token_expiring', 'resync', 'error', 'conversation_created'].includes(event),
      )
      .filter((event) => !event.startsWith('participant_'))
      .map(async (event) => ({ event, payload: (await once(b, event, 10_000))[0] }));
    await ask(b, 'join_conversation', { conversation_id });
    const calls: [keyof typeof clientEvents, object][] = [
      ['join_conversation', { conversation_id }],
      ['typing_start', { conversation_id }],
      ['typing_stop', { conversation_id }],
      ['send_message', { conversation_id, content: 'Hi', client_message_id: '1' }],
      ['send_message', { conversation_id, content: 'Hi', client_message_id: '1' }],
      ['message_delivered', { conversation_id, up_to_seq: 1 }],
      ['mark_read', { conversation_id }],
      ['leave_conversation', { conversation_id }],
    ];
    // Bob's own message gives Alice something to mark.
    await ask(b, 'send_message', { conversation_id, content: 'Hello' });
    for (const [event, payload] of calls) {
      expect(fault(event, payload), event).toBe(null);
      const answer = await ask(a, event, payload);
      expect([event, answer.success]).toEqual([event, true]);
      const acknowledgement = `${event}_acknowledgement`;
      expect([event, fault(acknowledgement, answer)]).toEqual([event, null]);
      // It says something: the answer to another event is none of this one.
      expect(fault(acknowledgement, { success: true }), event).not.toBe(null);
    }
    for (const { event, payload } of await Promise.all(heard)) {
      expect([event, fault(event, payload)]).toEqual([event, null]);
    }
    const refused = await ask(a, 'send_message', { conversation_id });
    expect(refused.success).toBe(false);
    expect(fault('send_message_acknowledgement', refused)).toBe(null);
    const asked = new Set(calls.map(([event]) => event));
    expect(Object.keys(acknowledgements).filter((event) => !asked.has(event as never))).toEqual([
      'refresh_token',
    ]);
  });
});
