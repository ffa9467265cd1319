/**
 * The Socket.IO face: every event a client may send and every event it may receive, as schemas.
 * Payload keys are snake_case on the wire; camelCase spellings are accepted on input (spellings.ts).
 */
import { type Static, type StaticDecode, type TSchema, Type } from '@sinclair/typebox';
import { MAX_TOKEN_TEXT_LENGTH } from '../bounds/chat.ts';
import {
  Conversation,
  DeliveredInput,
  DeliveredResult,
  JoinResult,
  MarkReadInput,
  Message,
  ParticipantChange,
  ReadResult,
  RetryAfter,
  SendInput,
  SentMessage,
  Seq,
  Timestamp,
  Uuid,
} from './schemas.ts';

const OptionalUuid = Type.Optional(Type.Union([Uuid, Type.Null()]));

/** What a client may send: event → schema of its payload. */
export const clientEvents = {
  join_conversation: Type.Object({
    conversation_id: Uuid,
    user_id: OptionalUuid,
    after_seq: Type.Optional(Type.Union([Seq, Type.Null()])),
  }),
  leave_conversation: Type.Object({ conversation_id: Uuid, user_id: OptionalUuid }),
  send_message: Type.Object({ conversation_id: Uuid, ...SendInput.properties }),
  typing_start: Type.Object({
    conversation_id: Uuid,
    user_id: OptionalUuid,
    user_name: Type.Optional(Type.Unknown({ description: 'Ignored: the stored name is shown' })),
  }),
  typing_stop: Type.Object({
    conversation_id: Uuid,
    user_id: OptionalUuid,
    user_name: Type.Optional(Type.Unknown()),
  }),
  mark_read: Type.Object({ conversation_id: Uuid, ...MarkReadInput.properties }),
  message_delivered: Type.Object({ conversation_id: Uuid, ...DeliveredInput.properties }),
  refresh_token: Type.Object({
    token: Type.String({ minLength: 1, maxLength: MAX_TOKEN_TEXT_LENGTH }),
  }),
} as const;

export type ClientEvent = keyof typeof clientEvents;
/** A payload as a client writes it. */
export type ClientEventPayload<E extends ClientEvent> = Static<(typeof clientEvents)[E]>;
/** The payload after it was read (`input.ts`): its ids are canonical. */
export type CheckedPayload<E extends ClientEvent> = StaticDecode<(typeof clientEvents)[E]>;

/** The `data` with which each of these events is acknowledged when it succeeds. */
export const acknowledgements = {
  join_conversation: JoinResult,
  leave_conversation: Type.Object({ conversation_id: Uuid }),
  send_message: SentMessage,
  typing_start: Type.Object({}),
  typing_stop: Type.Object({}),
  mark_read: ReadResult,
  message_delivered: DeliveredResult,
  refresh_token: Type.Object({ expires_at: Type.Union([Timestamp, Type.Null()]) }),
} as const satisfies Record<ClientEvent, TSchema>;

/** The `data` of one event's acknowledgement. */
export type Acknowledged<E extends ClientEvent> = Static<(typeof acknowledgements)[E]>;

/** What a client may receive: event → schema of its payload. */
export const serverEvents = {
  new_message: Message,
  user_typing: Type.Object({
    conversation_id: Uuid,
    user_id: Uuid,
    user_name: Type.Union([Type.String(), Type.Null()]),
  }),
  user_stopped_typing: Type.Object({ conversation_id: Uuid, user_id: Uuid }),
  messages_read: Type.Object({ conversation_id: Uuid, user_id: Uuid, last_read_seq: Seq }),
  messages_delivered: DeliveredResult,
  conversation_created: Conversation,
  participant_added: ParticipantChange,
  participant_removed: ParticipantChange,
  token_expiring: Type.Object({ expires_at: Type.String() }),
  resync: Type.Object({ conversation_id: Uuid, last_seq: Seq }),
  error: Type.Object({
    event: Type.String(),
    code: Type.String(),
    message: Type.String(),
    retry_after: Type.Optional(RetryAfter),
  }),
} as const;

export type ServerEvent = keyof typeof serverEvents;
export type ServerEventPayload<E extends ServerEvent> = Static<(typeof serverEvents)[E]>;
