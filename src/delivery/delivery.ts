/**
 * Puts the parts of this directory together: the rules' audience on one side, the chat's Socket.IO
 * namespace on the other.
 */

import { createAnnouncer, type EnvelopeStats } from '../audience/announcer.ts';
import { createCatchUp } from '../audience/catch-up.ts';
import { membershipFrame } from '../audience/frames.ts';
import { createMembershipNews } from '../audience/membership-news.ts';
import type { RoomStats } from '../audience/room-context.ts';
import { createRooms } from '../audience/rooms.ts';
import { createUserSockets } from '../audience/user-sockets.ts';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import type { Bus } from '../bus/bus.ts';
import type { Chat } from '../chat/chat.ts';
import type { Events, Store } from '../chat/ports.ts';
import type { PersonalWork } from '../chat/work.ts';
import type { NamespaceHandler } from '../realtime/socket.ts';
import type { SocketServer } from '../realtime/socket-server.ts';
import { createChatNamespace } from './chat-namespace.ts';
import { type CommandsDeps, createCommands } from './commands.ts';
import { counted, type JoinStats } from './join-stats.ts';
import { createJoining } from './joining.ts';
import { createTokenExpiry } from './token-expiry.ts';

export interface DeliveryDeps {
  bus: Bus;
  store: Store;
  doorkeeper: Doorkeeper;
  /** Makes the rules for this audience. */
  createChat: (events: Events) => Chat;
  /** To this node's sockets. */
  publish: SocketServer['publish'];
  /** How many of this node's sockets hear a topic. */
  subscribers: SocketServer['subscribers'];
  /** Which database PostgreSQL is; told when it is another one, or has gone back. */
  epochs: { current(): string; onChange(listener: (epoch: string) => void): void };
  eventLimit: CommandsDeps['eventLimit'];
  /** Reading for one person, over all their sockets. */
  work: PersonalWork;
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
  stats(): DeliveryStats;
  close(): void;
}

/** Counters of this node since it started, and how many rooms are open now. */
export interface DeliveryStats {
  openRooms: number;
  rooms: RoomStats & { headChecks: number; headCheckFailures: number };
  joins: JoinStats;
  /** Live messages, once for each socket that was handed one. */
  deliveries: number;
  envelopes: EnvelopeStats;
}

export function createDelivery(deps: DeliveryDeps): Delivery {
  const { bus, store, doorkeeper, publish, settings, log } = deps;
  let deliveries = 0;
  const rooms = createRooms({
    bus,
    store,
    publish(topic, frame) {
      deliveries += deps.subscribers(topic);
      publish(topic, frame);
    },
    evicted: (room, { socket, userId }, missed) => {
      joining.forget(socket, room);
      chat.typing.stopAll(socket, room.conversationId);
      if (!missed) return;
      const { conversationId } = room;
      const { version: membersVersion } = room.members;
      const frame = membershipFrame('removed', { conversationId, userId, membersVersion });
      // A service's socket is nobody's own; and a deleted conversation has no version to tell by.
      const isOwn = users.holds(userId, socket) && membersVersion > 0;
      if (isOwn) news.tell(userId, { conversationId, membersVersion }, frame);
      else socket.sendFrame(frame);
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
  const users = createUserSockets(bus, log);
  const news = createMembershipNews(users);
  const announcer = createAnnouncer({
    bus,
    rooms,
    publish,
    users,
    news,
    epoch: deps.epochs.current,
    limits: { maxEnvelopeBytes: settings.maxEnvelopeBytes },
    log,
  });
  const catchUp = createCatchUp({
    store,
    rooms,
    users,
    announcer,
    intervalMs: settings.headCheckIntervalMs,
    log,
  });
  bus.onGap(() => {
    rooms.checkNow();
    catchUp.afterGap();
  });
  deps.epochs.onChange((epoch) => {
    news.forget();
    catchUp.startAnew();
    // In this order: what the rooms are told next comes from nodes that know the same database.
    rooms.doubtAll();
    bus.enterEpoch(epoch);
  });
  const chat = deps.createChat(announcer.events);
  const joinStats: JoinStats = { joined: 0, resync: 0, refused: 0, replayed: 0 };
  const joining = createJoining({
    rooms,
    membership: chat.membership,
    store,
    work: deps.work,
    replayed: (messages) => {
      joinStats.replayed += messages;
    },
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
    joining: counted(joining, joinStats),
    doorkeeper,
    tokenExpiry,
    eventLimit: deps.eventLimit,
    log,
  });
  return {
    chat,
    namespace: createChatNamespace({
      doorkeeper,
      commands,
      joining,
      typing: chat.typing,
      tokenExpiry,
      users,
    }),
    stats: () => ({
      openRooms: rooms.size(),
      rooms: rooms.stats,
      joins: joinStats,
      deliveries,
      envelopes: announcer.stats,
    }),
    close(): void {
      tokenExpiry.close();
      chat.typing.close();
      catchUp.close();
      rooms.close();
    },
  };
}
