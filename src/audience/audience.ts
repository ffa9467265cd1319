/**
 * Everybody this node can tell something: the rooms of conversations, people's sockets, and the way to
 * the other nodes. It gives the rules the `Events` they announce through, and whoever lets sockets into
 * rooms what that takes; it calls neither.
 */

import { ROOM_LIMITS } from '../bounds/audience.ts';
import type { Bus } from '../bus/bus.ts';
import type { Events, Store } from '../chat/ports.ts';
import type { Socket } from '../realtime/socket.ts';
import type { SocketServer } from '../realtime/socket-server.ts';
import type { Beat } from '../shared/beat.ts';
import { afterUnref } from '../shared/deadline-timer.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { createAnnouncer, type EnvelopeStats } from './announcer.ts';
import { createCatchUp } from './catch-up.ts';
import { membershipFrame } from './frames.ts';
import { createMembershipNews } from './membership-news.ts';
import type { Room } from './room.ts';
import { createRooms, type Rooms, type RoomsStats } from './rooms.ts';
import { createUnheard } from './unheard.ts';
import { createUserSockets, type UserSockets } from './user-sockets.ts';

export interface AudienceDeps {
  bus: Bus;
  store: Store;
  /** The Socket.IO server of this node. */
  server: Pick<SocketServer, 'publish' | 'subscribers'>;
  /** Which database PostgreSQL is; told when it is another one, or has gone back. */
  epochs: { current(): string; onChange(listener: (epoch: string) => void): void };
  /** Counts connections that were lost: behind each PostgreSQL may have gone back. */
  database: { stats(): { lost: number } };
  /** Tells of conversations in which a message may be stored that is not announced. */
  writes: { onUnsure(listener: (conversationId: CanonicalId) => void): void };
  /** When this node compares what it has told with PostgreSQL. */
  beat: Beat;
  settings: AudienceSettings;
  log: {
    debug(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

export interface AudienceSettings {
  /** How often this node compares what it has told with PostgreSQL. */
  headCheckIntervalMs: number;
  /** How long a message that comes early waits for the one before it, before PostgreSQL is asked. */
  holeHoldMs: number;
  /** The largest payload that is taken from the bus. */
  maxEnvelopeBytes: number;
}

export interface Audience {
  /** Through this the rules announce what has happened. */
  events: Events;
  rooms: Rooms;
  users: UserSockets;
  /**
   * Sets the one listener told that a room has let a socket go, because its person takes part no more:
   * after the last frame that the socket hears from the room, and before it is told why.
   */
  onEvicted(listener: (socket: Socket, room: Room) => void): void;
  stats(): AudienceStats;
  /** Ends the timers and closes the rooms; nobody here is told anything any more. */
  close(): void;
  /** Whether a message may still be stored of which nobody has been told. */
  isUnsure(): boolean;
  /**
   * Tells other nodes through PostgreSQL what they may not have heard, in one attempt: to be called when the bus
   * is closed. Never rejects.
   */
  lastWord(): Promise<void>;
}

/** Counters of this node since it started, and how many rooms are open now. */
export interface AudienceStats {
  openRooms: number;
  rooms: RoomsStats;
  /** Live messages, once for each socket that was handed one. */
  deliveries: number;
  envelopes: EnvelopeStats;
}

/** The audience of a node; its timers run until `close`. */
export function createAudience(deps: AudienceDeps): Audience {
  const { bus, store, server, epochs, writes, beat, settings, log } = deps;
  let deliveries = 0;
  let cancelComparison: (() => void) | undefined;
  let evicted: (socket: Socket, room: Room) => void = () => undefined;
  const rooms = createRooms({
    bus,
    store,
    publish(topic, frame) {
      deliveries += server.subscribers(topic);
      server.publish(topic, frame);
    },
    evicted(room, { socket, userId }, missed) {
      evicted(socket, room);
      if (missed) tellRemoved(room, socket, userId);
    },
    connectionsLost: () => deps.database.stats().lost,
    beat,
    limits: {
      holeHoldMs: settings.holeHoldMs,
      ...ROOM_LIMITS,
      headCheckIntervalMs: settings.headCheckIntervalMs,
    },
    log,
  });
  const users = createUserSockets(bus, log);
  const news = createMembershipNews(users);
  const announcer = createAnnouncer({
    bus,
    rooms,
    publish: server.publish,
    users,
    news,
    epoch: epochs.current,
    limits: { maxEnvelopeBytes: settings.maxEnvelopeBytes },
    log,
  });
  const catchUp = createCatchUp({
    store,
    rooms,
    users,
    announcer,
    nodeId: bus.nodeId,
    beat,
    intervalMs: settings.headCheckIntervalMs,
    log,
  });
  const unheard = createUnheard({
    store,
    bus,
    beat,
    intervalMs: settings.headCheckIntervalMs,
    log,
  });
  writes.onUnsure((conversationId) => {
    rooms.suspect(conversationId);
    unheard.add(conversationId);
  });
  bus.onGap(() => {
    rooms.checkAll();
    catchUp.afterGap();
  });
  bus.onVanished(() => {
    // Not all nodes at the same moment: every one of them has found it out.
    const delayMs = Math.random() * settings.headCheckIntervalMs;
    cancelComparison ??= afterUnref(delayMs, () => {
      cancelComparison = undefined;
      rooms.checkAll();
    });
  });
  epochs.onChange((epoch) => {
    news.forget();
    catchUp.startAnew();
    // In this order: what the rooms are told next comes from nodes that know the same database.
    rooms.doubtAll();
    bus.enterEpoch(epoch);
  });

  /** Tells a person that they were removed, where this node has found it out by itself. */
  function tellRemoved(room: Room, socket: Socket, userId: CanonicalId): void {
    const { conversationId } = room;
    const { version: membersVersion } = room.members;
    const frame = membershipFrame('removed', { conversationId, userId, membersVersion });
    // A service's socket is nobody's own; and a deleted conversation has no version to tell by.
    const isOwn = users.holds(userId, socket) && membersVersion > 0;
    if (isOwn) news.tell(userId, { conversationId, membersVersion }, frame);
    else socket.sendFrame(frame);
  }

  return {
    events: announcer.events,
    rooms,
    users,
    onEvicted(listener) {
      evicted = listener;
    },
    stats: () => ({
      openRooms: rooms.size(),
      rooms: rooms.stats(),
      deliveries,
      envelopes: announcer.stats,
    }),
    isUnsure: unheard.isUnsure,
    lastWord: unheard.lastWord,
    close(): void {
      cancelComparison?.();
      catchUp.close();
      unheard.close();
      rooms.close();
    },
  };
}
