/**
 * The Socket.IO face as an AsyncAPI 3 document, made from the schemas that check and type it.
 * https://www.asyncapi.com/docs/reference/specification/v3.0.0
 */
import { type TSchema, Type } from '@sinclair/typebox';
import { acknowledgements, clientEvents, serverEvents } from '../chat/events.ts';
import { Failure, Success } from './envelope.ts';

const CHANNEL = 'socket';

/** Sentences for readers; test/http/event-document.test.ts sees that none is missing. */
const SUMMARIES: Readonly<Record<string, string>> = {
  join_conversation: 'Hear a conversation; with after_seq what was missed comes first',
  leave_conversation: 'Stop hearing a conversation',
  send_message: 'Stored, then acknowledged, then new_message to everybody joined',
  typing_start: 'user_typing to the others; stops by itself after 6 s',
  typing_stop: 'user_stopped_typing to the others',
  mark_read: 'messages_read to the conversation',
  message_delivered: 'messages_delivered to the conversation',
  refresh_token: 'A new expiry for this connection',
  new_message: 'A message of a joined conversation, in the order of seq',
  user_typing: 'Somebody else has begun to type',
  user_stopped_typing: 'Somebody else has stopped typing',
  messages_read: 'Somebody has read up to a position',
  messages_delivered: 'Somebody has received up to a position',
  conversation_created: 'A conversation with this person has been made',
  participant_added: 'Somebody has been added to a conversation',
  participant_removed: 'Somebody has been removed; their sockets have left',
  token_expiring: '30 s before the token ends, and the connection with it',
  resync: 'Read history from your last seq',
  error: 'An event without an acknowledgement was refused',
};

interface EventMessage {
  name: string;
  summary?: string;
  payload: unknown;
}

/** The whole document, ready to be sent as JSON. */
export function createEventDocument(version: string): object {
  const messages: Record<string, EventMessage> = {};
  const operations: Record<string, object> = {};
  const channel = { $ref: `#/channels/${CHANNEL}` };
  const messageRef = (id: string) => ({ $ref: `#/channels/${CHANNEL}/messages/${id}` });

  for (const [event, schema] of Object.entries(clientEvents)) {
    const answer = acknowledgements[event as keyof typeof acknowledgements];
    const answerId = `${event}_acknowledgement`;
    messages[event] = message(event, schema);
    messages[answerId] = { name: answerId, payload: plain(Type.Union([Success(answer), Failure])) };
    operations[event] = {
      action: 'receive',
      channel,
      summary: SUMMARIES[event],
      messages: [messageRef(event)],
      reply: { channel, messages: [messageRef(answerId)] },
    };
  }
  for (const [event, schema] of Object.entries(serverEvents)) {
    messages[event] = message(event, schema);
    operations[event] = {
      action: 'send',
      channel,
      summary: SUMMARIES[event],
      messages: [messageRef(event)],
    };
  }

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Messaging service',
      version,
      description:
        'Events over Socket.IO 5 (Engine.IO 4), path /socket.io/. A message is an event of that ' +
        'name with the payload as its one argument; a reply is its acknowledgement. camelCase ' +
        'spellings of the keys are accepted on input.',
    },
    defaultContentType: 'application/json',
    servers: {
      node: { host: 'localhost:3006', protocol: 'ws', description: 'WebSocket or long-polling' },
    },
    channels: {
      [CHANNEL]: {
        address: '/socket.io/',
        title: 'The main namespace',
        messages,
      },
    },
    operations,
  };
}

function message(name: string, schema: TSchema): EventMessage {
  return { name, summary: SUMMARIES[name] ?? '', payload: plain(schema) };
}

/** JSON Schema alone: identifiers of parts would make references within the document ambiguous. */
function plain(schema: TSchema): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value) => (key === '$id' ? undefined : value)));
}
