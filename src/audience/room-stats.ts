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
