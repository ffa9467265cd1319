/**
 * From what a client sent to a checked payload. camelCase spellings of the keys are folded to
 * snake_case here, and nowhere else.
 */
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { ChatError } from '../chat/errors.ts';
import { type ClientEvent, type ClientEventPayload, clientEvents } from '../chat/events.ts';

const SNAKE_CASE: ReadonlyMap<string, string> = new Map([
  ['conversationId', 'conversation_id'],
  ['userId', 'user_id'],
  ['userName', 'user_name'],
  ['senderId', 'sender_id'],
  ['messageType', 'message_type'],
  ['mediaUrl', 'media_url'],
  ['clientMessageId', 'client_message_id'],
  ['afterSeq', 'after_seq'],
  ['upToSeq', 'up_to_seq'],
]);

const checks = new Map<string, TypeCheck<(typeof clientEvents)[ClientEvent]>>(
  Object.entries(clientEvents).map(([event, schema]) => [event, TypeCompiler.Compile(schema)]),
);

/** Events whose payload may be the conversation's id alone. */
const BARE_ID_EVENTS: ReadonlySet<string> = new Set(['join_conversation', 'leave_conversation']);

export function isClientEvent(event: string): event is ClientEvent {
  return checks.has(event);
}

/**
 * The checked payload of `event`.
 *
 * @throws ChatError invalid_request, its details naming the first wrong field
 */
export function readPayload<E extends ClientEvent>(event: E, sent: unknown): ClientEventPayload<E> {
  const payload =
    typeof sent === 'string' && BARE_ID_EVENTS.has(event)
      ? { conversation_id: sent }
      : snakeCased(sent);
  if (isPayload(event, payload)) return payload;
  const error = checks.get(event)?.Errors(payload).First();
  const field = error?.path.slice(1).replaceAll('/', '.') || 'payload';
  throw new ChatError('invalid_request', `${event}: ${field} is not valid.`, {
    [field]: error?.message ?? 'is not valid',
  });
}

function isPayload<E extends ClientEvent>(
  event: E,
  payload: unknown,
): payload is ClientEventPayload<E> {
  return checks.get(event)?.Check(payload) === true;
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
