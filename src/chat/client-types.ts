/**
 * The events as TypeScript sees them in a client, derived from the schemas the service checks with:
 * what `messaging-service/events` exports. Types only; nothing here exists at run time.
 *
 *     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url);
 */
import type { ErrorBody, ErrorCode } from './errors.ts';
import type {
  Acknowledged,
  ClientEvent,
  ClientEventPayload,
  ServerEvent,
  ServerEventPayload,
} from './events.ts';

export type { Conversation, Message, MessageStatus, MessageType, SentMessage } from './schemas.ts';
export type {
  ClientEvent,
  ClientEventPayload,
  ErrorBody,
  ErrorCode,
  ServerEvent,
  ServerEventPayload,
};

/** What the acknowledgement of an event is called with. */
export type Acknowledgement<E extends ClientEvent> =
  | { success: true; data: Acknowledged<E> }
  | { success: false; error: ErrorBody };

/** Of these two events the payload may be the conversation's id alone. */
export type ClientEventInput<E extends ClientEvent> = E extends
  | 'join_conversation'
  | 'leave_conversation'
  ? ClientEventPayload<E> | string
  : ClientEventPayload<E>;

/** What a client listens to. */
export type ServerToClientEvents = {
  [E in ServerEvent]: (payload: ServerEventPayload<E>) => void;
};

/**
 * What a client emits, with or without a callback for the acknowledgement. The types of
 * socket.io-client lose an optional callback in `emitWithAck`, whose answer is then `any`: say
 * `const answer: Acknowledgement<'send_message'> = await …`, or use `AcknowledgedEvents`.
 */
export type ClientToServerEvents = {
  [E in ClientEvent]: (
    payload: ClientEventInput<E>,
    acknowledge?: (answer: Acknowledgement<E>) => void,
  ) => void;
};

/** The same for a client that asks for every acknowledgement: `emitWithAck` knows its answers. */
export type AcknowledgedEvents = {
  [E in ClientEvent]: (
    payload: ClientEventInput<E>,
    acknowledge: (answer: Acknowledgement<E>) => void,
  ) => void;
};
