/**
 * The events as TypeScript sees them in a client, derived from the schemas the service checks with.
 * `npm run types:events` writes them out for clients, without imports (`packages/events`): what stands
 * below goes there as it is. Types only; nothing here exists at run time.
 *
 *     const socket: MessagingSocket = io(url);
 */
import type { Socket } from 'socket.io-client';
import type { ErrorBody, ErrorCode } from './errors.ts';
import type {
  Acknowledged,
  ClientEvent,
  ClientEventPayload,
  ServerEvent,
  ServerEventPayload,
} from './events.ts';

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
 * What a client emits and has acknowledged: the form from which socket.io-client knows the answers of
 * `emitWithAck` and of `timeout(…).emit`. An optional callback here would make both of them `any`.
 */
export type ClientToServerEvents = {
  [E in ClientEvent]: (
    payload: ClientEventInput<E>,
    acknowledge: (answer: Acknowledgement<E>) => void,
  ) => void;
};

/** What a client emits without waiting: a failure then arrives as `error`. */
export type UnacknowledgedEvents = {
  [E in ClientEvent]: (payload: ClientEventInput<E>) => void;
};

/**
 * The stock client with both: `emit` with a callback or without one, `emitWithAck` with its answer.
 * (After `timeout(…)` its `emitWithAck` is `any`, whatever the events: name the answer's type there.)
 */
export type MessagingSocket = Socket<ServerToClientEvents, ClientToServerEvents> &
  Socket<ServerToClientEvents, UnacknowledgedEvents>;
