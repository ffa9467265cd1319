/**
 * From what a client sent to a payload that the rules take. camelCase spellings of the keys are folded
 * to snake_case here, and nowhere else.
 */
import { type CheckedPayload, type ClientEvent, clientEvents } from '../chat/events.ts';
import { createInputReader, type Reading } from '../chat/input.ts';

/** Every key with an underscore that a payload may have, by its camelCase spelling. */
const SNAKE_CASE: ReadonlyMap<string, string> = new Map(
  Object.values(clientEvents)
    .flatMap(({ properties }) => Object.keys(properties))
    .filter((key) => key.includes('_'))
    .map((key) => [camelCased(key), key]),
);

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
  const reading = readers[event](isBareId ? { conversation_id: sent } : snakeCased(sent));
  if ('error' in reading) throw reading.error;
  return reading.value;
}

function snakeCased(sent: unknown): unknown {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return sent;
  let hasCamelCase = false;
  for (const key in sent) {
    if (SNAKE_CASE.has(key)) {
      hasCamelCase = true;
      break;
    }
  }
  if (!hasCamelCase) return sent;
  // Built from entries: a key such as __proto__ stays a plain key. The snake_case spelling wins.
  const entries = Object.entries(sent);
  const own = new Set(entries.map(([key]) => key));
  return Object.fromEntries(
    entries.flatMap(([key, value]) => {
      const name = SNAKE_CASE.get(key) ?? key;
      return name !== key && own.has(name) ? [] : [[name, value]];
    }),
  );
}

function camelCased(key: string): string {
  return key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
