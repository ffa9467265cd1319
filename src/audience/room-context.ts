/** What a room has of its node, and what it is told. */
import type { Store } from '../chat/ports.ts';
import type { Member } from './member.ts';
import type { Room } from './room.ts';

/** What a room needs from its node. */
export interface RoomContext {
  store: Pick<Store, 'readRange' | 'readMembers' | 'readHead' | 'noteLostFuture'>;
  /** Hands a frame to every live member of the room on this node. */
  publish(topic: string, frame: string | Uint8Array): void;
  /** An evicted socket has left the room; `missed` when nobody else tells it why. */
  evicted(room: Room, member: Member, missed: boolean): void;
  limits: RoomLimits;
  log: { warn(fields: object, message: string): void };
  stats: RoomStats;
}

export interface RoomLimits {
  /** How long a message waits for the ones before it until they are read from PostgreSQL. */
  holeHoldMs: number;
  /** Messages that may wait for a hole; more are dropped and read again with it. */
  maxHeld: number;
  /** Most messages read from PostgreSQL at a time. */
  readLimit: number;
  /** Pause after a failed read. */
  retryMs: number;
}

/** Counters over all rooms of a node. */
export interface RoomStats {
  delivered: number;
  held: number;
  repairs: number;
  repairedMessages: number;
  recheckedMembers: number;
  /** Times a room asked whether PostgreSQL still holds what was handed out, and times it did not. */
  doubts: number;
  reopened: number;
}

/** A message on its way to the members. */
export interface Offer {
  seq: number;
  id: string;
  /** The version of the member list that it was committed under. */
  membersVersion: number;
  frame: string | Uint8Array;
}

export function newRoomStats(): RoomStats {
  return {
    delivered: 0,
    held: 0,
    repairs: 0,
    repairedMessages: 0,
    recheckedMembers: 0,
    doubts: 0,
    reopened: 0,
  };
}
