/**
 * The chat as clients of the Socket.IO server meet it: its namespace, whose commands call the rules and
 * whose joins enter the audience's rooms.
 */
import type { Audience } from '../audience/audience.ts';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import { REPLAY_LIMITS } from '../bounds/delivery.ts';
import type { Chat } from '../chat/chat.ts';
import type { Store } from '../chat/ports.ts';
import type { PersonalWork } from '../chat/work.ts';
import type { NamespaceHandler } from '../realtime/socket.ts';
import { createChatNamespace } from './chat-namespace.ts';
import { type CommandsDeps, createCommands } from './commands.ts';
import { counted, type JoinStats } from './join-stats.ts';
import { createJoining } from './joining.ts';
import { createTokenExpiry } from './token-expiry.ts';

export interface DeliveryDeps {
  chat: Chat;
  audience: Pick<Audience, 'rooms' | 'users' | 'onEvicted'>;
  store: Pick<Store, 'readRange'>;
  doorkeeper: Doorkeeper;
  eventLimit: CommandsDeps['eventLimit'];
  /** Bounds what is read for one person at a time, over all their sockets. */
  work: PersonalWork;
  settings: DeliverySettings;
  log: CommandsDeps['log'];
}

export interface DeliverySettings {
  /** A client further behind than this many messages is told to `resync`. */
  maxReplay: number;
  /** Conversations one socket may have joined at once. */
  maxJoinedConversations: number;
  /** Bytes a socket may be behind; a replay stays well below. */
  maxBackpressureBytes: number;
  /** How long a client that is ahead of this node waits for it, in milliseconds. */
  catchUpMs: number;
}

export interface Delivery {
  namespace: NamespaceHandler;
  /** How joins have ended since the node started. */
  joins(): JoinStats;
  /** Ends the timers: no token ends a connection any more. */
  close(): void;
}

/** The chat's namespace, to be mounted by the caller, and what is counted in it. */
export function createDelivery(deps: DeliveryDeps): Delivery {
  const { chat, audience, doorkeeper, settings } = deps;
  const { rooms, users } = audience;
  const joinStats: JoinStats = { joined: 0, resync: 0, refused: 0, replayed: 0 };
  const joining = createJoining({
    rooms,
    membership: chat.membership,
    store: deps.store,
    work: deps.work,
    replayed: (messages) => {
      joinStats.replayed += messages;
    },
    limits: {
      maxReplay: settings.maxReplay,
      maxJoinedConversations: settings.maxJoinedConversations,
      ...REPLAY_LIMITS,
      replayBufferBytes: Math.floor(settings.maxBackpressureBytes / 4),
      catchUpMs: settings.catchUpMs,
    },
  });
  audience.onEvicted((socket, room) => {
    joining.forget(socket, room);
    chat.typing.stopAll(socket, room.conversationId);
  });
  const tokenExpiry = createTokenExpiry();
  const commands = createCommands({
    chat,
    joining: counted(joining, joinStats),
    doorkeeper,
    tokenExpiry,
    eventLimit: deps.eventLimit,
    log: deps.log,
  });
  return {
    namespace: createChatNamespace({
      doorkeeper,
      commands,
      joining,
      typing: chat.typing,
      tokenExpiry,
      users,
    }),
    joins: () => joinStats,
    close: tokenExpiry.close,
  };
}
