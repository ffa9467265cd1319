/**
 * Puts the parts of this directory together: the rules' audience on one side, the chat's Socket.IO
 * namespace on the other.
 */
import type { Authenticator } from '../auth/authenticator.ts';
import type { Bus } from '../bus/bus.ts';
import type { Chat } from '../chat/chat.ts';
import type { Events, Store } from '../chat/ports.ts';
import type { Handshake, NamespaceHandler } from '../realtime/socket.ts';
import type { SocketServer } from '../realtime/socket-server.ts';
import { createAnnouncer } from './announcer.ts';
import { createChatNamespace } from './chat-namespace.ts';
import { createCommands, type EventLimit } from './commands.ts';
import { eventFrame } from './frames.ts';
import { createJoining } from './joining.ts';
import { createRooms } from './rooms.ts';
import { createTokenExpiry } from './token-expiry.ts';
import { createUserTopics } from './user-topics.ts';

export interface DeliveryDeps {
  bus: Bus;
  store: Store;
  authenticator: Authenticator;
  /** Makes the rules for this audience. */
  createChat: (events: Events) => Chat;
  /** To this node's sockets. */
  publish: SocketServer['publish'];
  eventLimit: EventLimit | null;
  handshakeFailed: (handshake: Handshake) => void;
  settings: DeliverySettings;
  log: {
    debug(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

export interface DeliverySettings {
  headCheckIntervalMs: number;
  holeHoldMs: number;
  maxReplay: number;
  maxJoinedConversations: number;
  /** Bytes a socket may be behind; a replay stays well below. */
  maxBackpressureBytes: number;
  maxEnvelopeBytes: number;
  /** How long a client that is ahead of this node waits for it. */
  catchUpMs: number;
}

export interface Delivery {
  chat: Chat;
  namespace: NamespaceHandler;
  close(): void;
}

export function createDelivery(deps: DeliveryDeps): Delivery {
  const { bus, store, authenticator, publish, settings, log } = deps;
  const rooms = createRooms({
    bus,
    store,
    publish,
    evicted: (room, { socket, userId }, missed) => {
      joining.forget(socket, room.conversationId);
      chat.typing.stopAll(socket, room.conversationId);
      if (!missed) return;
      const change = { conversation_id: room.conversationId, user_id: userId };
      socket.sendFrame(eventFrame('participant_removed', change));
    },
    limits: {
      holeHoldMs: settings.holeHoldMs,
      maxHeld: 1_000,
      readLimit: 500,
      retryMs: 250,
      headCheckIntervalMs: settings.headCheckIntervalMs,
      headCheckBatch: 1_000,
    },
    log,
  });
  const userTopics = createUserTopics(bus, log);
  const { events } = createAnnouncer({
    bus,
    rooms,
    publish,
    disconnectUser: userTopics.disconnect,
    limits: { maxEnvelopeBytes: settings.maxEnvelopeBytes },
    log,
  });
  const chat = deps.createChat(events);
  const joining = createJoining({
    rooms,
    membership: chat.membership,
    store,
    limits: {
      maxReplay: settings.maxReplay,
      maxJoinedConversations: settings.maxJoinedConversations,
      replayBatch: 500,
      replayBufferBytes: Math.floor(settings.maxBackpressureBytes / 4),
      replayPauseMs: 10,
      catchUpMs: settings.catchUpMs,
    },
  });
  const tokenExpiry = createTokenExpiry();
  const commands = createCommands({
    chat,
    joining,
    authenticator,
    tokenExpiry,
    eventLimit: deps.eventLimit,
    log,
  });
  return {
    chat,
    namespace: createChatNamespace({
      authenticator,
      commands,
      joining,
      typing: chat.typing,
      tokenExpiry,
      userTopics,
      handshakeFailed: deps.handshakeFailed,
    }),
    close(): void {
      tokenExpiry.close();
      chat.typing.close();
      rooms.close();
    },
  };
}
