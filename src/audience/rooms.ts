/**
 * The rooms of this node: opened by the first join, closed after the last leave, fed by this node's
 * writer and by the bus, and compared with PostgreSQL every so often, because the bus may lose what
 * it likes.
 */

import type { Bus } from '../bus/bus.ts';
import type { Store } from '../chat/ports.ts';
import type { Beat } from '../shared/beat.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { Room, type RoomDeps } from './room.ts';
import type { RoomLimits } from './room-limits.ts';
import { newRoomStats, type RoomStats } from './room-stats.ts';
import { conversationTopic } from './topics.ts';

export interface RoomsDeps {
  bus: Pick<Bus, 'subscribe' | 'unsubscribe' | 'status'>;
  store: Store;
  publish: RoomDeps['publish'];
  evicted: RoomDeps['evicted'];
  /** When heads are compared. */
  beat: Beat;
  limits: RoomLimits & {
    /** How often the heads of all rooms are compared with PostgreSQL. */
    headCheckIntervalMs: number;
    /** Conversations asked for in one query of the head check. */
    headCheckBatch: number;
  };
  log: {
    warn(fields: object, message: string): void;
    debug(fields: object, message: string): void;
  };
}

export interface RoomsStats extends RoomStats {
  headChecks: number;
  headCheckFailures: number;
}

/** The rooms of a node; heads are compared from now until `close`. */
export function createRooms({ bus, store, publish, evicted, beat, limits, log }: RoomsDeps) {
  const rooms = new Map<string, Room>();
  const stats: RoomsStats = { ...newRoomStats(), headChecks: 0, headCheckFailures: 0 };
  const roomDeps: RoomDeps = {
    store,
    publish,
    evicted(room, member, missed) {
      evicted(room, member, missed);
      closeIfEmpty(room);
    },
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

  async function checkHeads(all: readonly Room[]): Promise<void> {
    // Also with nobody here: the same question tells which database this is.
    for (let start = 0; start === 0 || start < all.length; start += limits.headCheckBatch) {
      if (closed) return;
      // One that is opening has PostgreSQL's word coming.
      const asked = all.slice(start, start + limits.headCheckBatch).filter((room) => room.opened);
      const known = asked.map(({ conversationId, head, members }) => {
        return { conversationId, lastSeq: head, membersVersion: members.version };
      });
      const { moved, gone } = await store.readMoved(known);
      stats.headChecks += 1;
      const before = new Map(known.map((head) => [head.conversationId, head]));
      for (const now of moved) {
        const { conversationId, lastSeq, membersVersion } = now;
        const then = before.get(conversationId);
        const room = rooms.get(conversationId);
        if (then === undefined || room === undefined) continue;
        // Compared with what was said when PostgreSQL was asked: the room may have gone on since.
        if (lastSeq < then.lastSeq || membersVersion < then.membersVersion) room.doubt();
        else room.noticeHead(lastSeq, membersVersion);
      }
      for (const id of gone) rooms.get(id)?.doubt();
    }
  }

  let closed = false;
  let checking = false;
  let checkAgain = false;

  function checkNow(): void {
    if (checking || closed) {
      checkAgain = true;
      return;
    }
    checking = true;
    checkAgain = false;
    checkHeads([...rooms.values()])
      .catch((error: unknown) => {
        stats.headCheckFailures += 1;
        log.debug({ err: error }, 'head check failed; the next one is due soon');
      })
      .finally(() => {
        checking = false;
        if (checkAgain && !closed) checkNow();
      });
  }

  const endBeat = beat.every(limits.headCheckIntervalMs, () => {
    if (!checking) checkNow();
  });

  return {
    stats,
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

    /** Compares all rooms with PostgreSQL now, because the bus may have lost something. */
    checkNow,

    /** Has every room ask, because PostgreSQL is another one than before, or has gone back. */
    doubtAll(): void {
      for (const room of rooms.values()) room.doubt();
    },

    close(): void {
      closed = true;
      endBeat();
      for (const room of rooms.values()) room.close();
      rooms.clear();
    },
  };
}

export type Rooms = ReturnType<typeof createRooms>;
