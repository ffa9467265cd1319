/**
 * The events clients send, each with what it does: a table of one-line calls into chat/. Payloads
 * are checked before, refusals are translated after, in one place for all of them.
 */

import { eventFrame, messageJson } from '../audience/frames.ts';
import { conversationTopic } from '../audience/topics.ts';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import {
  EVENT_FINISH_MS,
  MAX_REFUSED_TOKENS,
  MAX_SHOWN_EVENT,
  MAX_WAITING_SIZE,
} from '../bounds/delivery.ts';
import type { Chat } from '../chat/chat.ts';
import { ChatError, type ErrorBody, toErrorBody } from '../chat/errors.ts';
import type { CheckedPayload, ClientEvent } from '../chat/events.ts';
import { actingUser } from '../chat/membership.ts';
import type { Actor } from '../chat/ports.ts';
import type { SentMessage } from '../chat/schemas.ts';
import type { Ack, Socket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Joining } from './joining.ts';
import { isClientEvent, readPayload } from './payload.ts';
import type { TokenExpiry } from './token-expiry.ts';

/** What is kept with a chat socket. */
export interface ChatSocketData {
  actor: Actor;
  /** When the CONNECT was taken, by performance.now(), in whole milliseconds. */
  readonly connectedAtMs: number;
  /** The address for which its attempts to prove who it is are counted. */
  readonly address: string;
  /** Tokens it has shown that were not good, since the last one that was. */
  refusedTokens: number;
  /** How many of its commands are being worked on. */
  running: number;
  /** Rough size in memory, in characters, of the sends that wait for a join. */
  waitingSize: number;
  /** Set once the node wants to close the socket: called when the last command is answered. */
  onIdle: (() => void) | null;
}

export type ChatSocket = Socket<ChatSocketData>;

export interface CommandsDeps {
  chat: Chat;
  joining: Joining;
  doorkeeper: Doorkeeper;
  tokenExpiry: TokenExpiry;
  /** When a connection that has sent too many events may go on; null: there is no such limit. */
  eventLimit: { retryAfterSeconds(): number } | null;
  log: { error(fields: object, message: string): void };
}

/** Answers a command from within, where the answer has its place in an order. */
interface Reply {
  data(value: unknown): void;
  /** A message about to be broadcast as well: encoded once, and written together where few hear it. */
  message(sent: SentMessage): void;
}

type Handlers = {
  [E in ClientEvent]: (
    socket: ChatSocket,
    payload: CheckedPayload<E>,
    reply: Reply,
  ) => Promise<unknown>;
};

const SEND_OVERHEAD = 1_000;

/** The commands of a node; its namespace gives them the events of each socket. */
export function createCommands(deps: CommandsDeps) {
  const { joining, doorkeeper, tokenExpiry, eventLimit, log } = deps;
  const { messages, cursors, typing } = deps.chat;

  // A handler replies by itself (the reply has its place in an order) or resolves with the answer.
  const handlers: Handlers = {
    join_conversation: (socket, payload, reply) =>
      joining.join(socket, socket.data.actor, payload, (result) => reply.data(result)),

    leave_conversation: async (socket, payload) => {
      actingUserOf(socket, payload.user_id);
      const conversationId = payload.conversation_id;
      joining.leave(socket, conversationId);
      typing.stopAll(socket, conversationId);
      return { conversation_id: conversationId };
    },

    send_message: async (socket, payload, reply) => {
      const conversationId = payload.conversation_id;
      const join = joining.underWay(socket, conversationId);
      if (join !== undefined) await waitFor(join, socket, payload.content);
      await messages.send(socket.data.actor, conversationId, payload, (sent) => {
        reply.message(sent);
        typing.stopAll(socket, conversationId);
      });
    },

    typing_start: (socket, payload) => typing.start(socket.data.actor, payload, socket),
    typing_stop: (socket, payload) => typing.stop(socket.data.actor, payload, socket),

    mark_read: (socket, payload) =>
      cursors.markRead(socket.data.actor, payload.conversation_id, payload),

    message_delivered: (socket, payload) =>
      cursors.markDelivered(socket.data.actor, payload.conversation_id, payload),

    refresh_token: async (socket, { token }) => {
      const { data } = socket;
      const actor = await doorkeeper.identify(data.address, {
        token,
        statedUserId: undefined,
        anonymousIsService: false,
      });
      requireSameCaller(data.actor, actor);
      data.actor = actor;
      data.refusedTokens = 0;
      const { expiresAtMs } = actor;
      // A socket that has gone is watched by nobody, or it would be kept until the token's end.
      if (socket.connected) tokenExpiry.watch(socket, expiresAtMs);
      return { expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString() };
    },
  };

  /**
   * Has a send wait for a join. A join lasts as long as its replay, and so as long as the client likes: what
   * waits for it is bounded.
   *
   * @throws ChatError unavailable: too much waits already
   */
  async function waitFor(join: Promise<unknown>, { data }: ChatSocket, content: string) {
    const size = SEND_OVERHEAD + content.length;
    if (data.waitingSize > 0 && data.waitingSize + size > MAX_WAITING_SIZE) {
      throw new ChatError('unavailable', 'Too much waits for the conversation to be joined.');
    }
    data.waitingSize += size;
    await join;
    data.waitingSize -= size;
  }

  function actingUserOf(socket: ChatSocket, stated: CanonicalId | null | undefined): void {
    if (socket.data.actor.kind === 'user') actingUser(socket.data.actor, stated, 'user_id');
  }

  function fail(socket: ChatSocket, event: string, ack: Ack | undefined, error: unknown): void {
    const body: ErrorBody = toErrorBody(error);
    if (body.code === 'internal') log.error({ err: error, event, socketId: socket.id }, 'command');
    if (ack !== undefined) ack({ success: false, error: body });
    else {
      const { details: _, ...told } = body;
      socket.sendFrame(eventFrame('error', { event, ...told }));
    }
  }

  /**
   * Counts a token that was not good, after the answer, and closes the connection after too many. Only
   * refresh_token asks who somebody is who has been let in.
   */
  function tokenRefused(socket: ChatSocket): void {
    socket.data.refusedTokens += 1;
    if (socket.data.refusedTokens >= MAX_REFUSED_TOKENS) socket.closeTransport('not admitted');
  }

  async function run<E extends ClientEvent>(
    event: E,
    socket: ChatSocket,
    sent: unknown,
    ack: Ack | undefined,
  ): Promise<void> {
    let replied = false;
    const reply: Reply = {
      data: (value) => {
        replied = true;
        ack?.({ success: true, data: value ?? {} });
      },
      message: (sent) => {
        replied = true;
        const topic = conversationTopic(sent.conversation_id);
        ack?.json(`{"success":true,"data":${messageJson(sent)}}`, topic);
      },
    };
    const { data } = socket;
    data.running += 1;
    try {
      if (data.onIdle !== null) {
        throw new ChatError('unavailable', 'This node is going down; connect again.');
      }
      const payload = readPayload(event, sent);
      const result = await handlers[event](socket, payload, reply);
      if (!replied) reply.data(result);
    } catch (error) {
      if (replied) log.error({ err: error, event, socketId: socket.id }, 'after the answer');
      else fail(socket, event, ack, error);
      if (error instanceof ChatError && error.status === 401) tokenRefused(socket);
    } finally {
      data.running -= 1;
      if (data.running === 0) data.onIdle?.();
    }
  }

  return {
    /** Refuses further commands of the socket; resolves when those running are answered. */
    async finish({ data }: ChatSocket): Promise<void> {
      if (data.running === 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, EVENT_FINISH_MS);
        data.onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },

    /** Answers an event that is over the limit. */
    refuse(socket: ChatSocket, event: string, ack: Ack | undefined): void {
      const seconds = eventLimit?.retryAfterSeconds();
      const refusal = new ChatError(
        'rate_limited',
        'Too many events; slow down.',
        undefined,
        seconds,
      );
      fail(socket, event.slice(0, MAX_SHOWN_EVENT), ack, refusal);
    },

    /** Runs one event of a client; never rejects. */
    dispatch(
      socket: ChatSocket,
      event: string,
      args: readonly unknown[],
      ack: Ack | undefined,
    ): Promise<void> {
      if (isClientEvent(event)) return run(event, socket, args[0], ack);
      const shown = event.slice(0, MAX_SHOWN_EVENT);
      fail(socket, shown, ack, new ChatError('invalid_request', `There is no event ${shown}.`));
      return Promise.resolve();
    },
  };
}

function requireSameCaller(before: Actor, after: Actor): void {
  const same =
    before.kind === 'user'
      ? after.kind === 'user' && after.userId === before.userId
      : after.kind === 'service';
  if (!same) throw new ChatError('identity_mismatch', 'The token is of somebody else.');
}
