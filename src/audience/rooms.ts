/**
 * The rooms of this node: opened by the first join, closed after the last leave, fed by this node's
 * writer and by the bus, and compared with PostgreSQL (head-checks.ts).
 */

import type { Bus } from '../bus/bus.ts';
import type { Store } from '../chat/ports.ts';
import type { Beat } from '../shared/beat.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { createHeadChecks, type HeadCheckStats, type HeadChecksDeps } from './head-checks.ts';
import { Room, type RoomDeps } from './room.ts';
import type { RoomLimits } from './room-limits.ts';
import { newRoomStats, type RoomStats } from './room-stats.ts';
import { conversationTopic } from './topics.ts';

export interface RoomsDeps {
  bus: Pick<Bus, 'subscribe' | 'unsubscribe' | 'status' | 'hearsAll'>;
  store: Store;
  publish: RoomDeps['publish'];
  evicted: RoomDeps['evicted'];
  /** How many connections to PostgreSQL were lost so far. */
  connectionsLost(): number;
  /** When heads are compared. */
  beat: Beat;
  limits: RoomLimits & HeadChecksDeps['limits'];
  log: {
    warn(fields: object, message: string): void;
    debug(fields: object, message: string): void;
  };
}

export type RoomsStats = RoomStats & HeadCheckStats;

/** The rooms of a node; heads are compared from now until `close`. */
export function createRooms(deps: RoomsDeps) {
  const { bus, store, publish, evicted, beat, limits, log } = deps;
  const rooms = new Map<string, Room>();
  const stats = newRoomStats();
  const checks = createHeadChecks({
    store,
    beat,
    rooms,
    isDeaf: () => !bus.hearsAll(),
    connectionsLost: deps.connectionsLost,
    limits,
    log,
  });
  const roomDeps: RoomDeps = {
    store,
    publish,
    evicted(room, member, missed) {
      evicted(room, member, missed);
      closeIfEmpty(room);
    },
    moved: checks.moved,
    limits,
    log,
    stats,
  };

  function subscribe(room: Room): Promise<void> {
    const subscribed = bus.subscribe(room.topic).catch((error: unknown) => {
      // The topic stays wanted; until the link is back the head check carries messages over.
      log.debug({ err: error, topic: room.topic }, 'not subscribed yet');
    });
    // With the link known to be away nobody waits for it.
    return bus.status().ok ? subscribed : Promise.resolve();
  }

  function closeIfEmpty(room: Room): void {
    if (room.pins > 0 || room.members.bySocket.size > 0) return;
    if (rooms.get(room.conversationId) !== room) return;
    rooms.delete(room.conversationId);
    room.close();
    bus.unsubscribe(room.topic);
  }

  return {
    stats: (): RoomsStats => ({ ...stats, ...checks.stats }),
    size: () => rooms.size,
    open: (): Iterable<Room> => rooms.values(),
    get: (conversationId: CanonicalId): Room | undefined => rooms.get(conversationId),

    /** The room, kept open until `release`, even while nobody is in it. */
    acquire(conversationId: CanonicalId): Room {
      let room = rooms.get(conversationId);
      if (room === undefined) {
        room = new Room(conversationId, conversationTopic(conversationId), roomDeps);
        rooms.set(conversationId, room);
        room.subscribed = subscribe(room);
        checks.opened(room);
      }
      room.pins += 1;
      return room;
    },

    /** Undoes one `acquire`. */
    release(room: Room): void {
      room.pins -= 1;
      closeIfEmpty(room);
    },

    closeIfEmpty,

    /** Compares all rooms with PostgreSQL now, because something may have been lost on the way here. */
    checkAll: checks.all,

    /** Compares this one at the next interval, if it is open: what was stored in it may not have been told. */
    suspect(conversationId: CanonicalId): void {
      const room = rooms.get(conversationId);
      if (room !== undefined) checks.suspect(room);
    },

    /** The same, now. */
    compare(conversationId: CanonicalId): void {
      const room = rooms.get(conversationId);
      if (room !== undefined) checks.compare(room);
    },

    /** Has every room ask, because PostgreSQL is another one than before, or has gone back. */
    doubtAll(): void {
      for (const room of rooms.values()) room.doubt();
    },

    close(): void {
      checks.close();
      for (const room of rooms.values()) room.close();
      rooms.clear();
    },
  };
}

export type Rooms = ReturnType<typeof createRooms>;
