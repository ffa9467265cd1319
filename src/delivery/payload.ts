/** From what a client sent with an event to a payload that the rules take. */
import { type CheckedPayload, type ClientEvent, clientEvents } from '../chat/events.ts';
import { createInputReader, type Reading } from '../chat/input.ts';

type Readers = { [E in ClientEvent]: (payload: unknown) => Reading<(typeof clientEvents)[E]> };

const readers = Object.fromEntries(
  Object.entries(clientEvents).map(([event, schema]) => [
    event,
    createInputReader(schema, { whole: 'payload', lead: `${event}: ` }),
  ]),
) as Readers;

/** Events whose payload may be the conversation's id alone. */
const BARE_ID_EVENTS: ReadonlySet<string> = new Set(['join_conversation', 'leave_conversation']);

/** Whether a client may send an event of this name. */
export function isClientEvent(event: string): event is ClientEvent {
  return Object.hasOwn(readers, event);
}

/**
 * The payload of `event`, read from what a client sent with it.
 *
 * @throws ChatError invalid_request, its details naming the first wrong field
 */
export function readPayload<E extends ClientEvent>(event: E, sent: unknown): CheckedPayload<E> {
  const isBareId = typeof sent === 'string' && BARE_ID_EVENTS.has(event);
  const reading = readers[event](isBareId ? { conversation_id: sent } : sent);
  if ('error' in reading) throw reading.error;
  return reading.value;
}
