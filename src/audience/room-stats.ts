/** Counters over all rooms of a node. */
export interface RoomStats {
  /** Messages handed out. */
  delivered: number;
  /** Messages that came before their turn. */
  held: number;
  /** Times a room read what was missing from PostgreSQL. */
  repairs: number;
  /** Messages read in these repairs. */
  repairedMessages: number;
  /** Times a room asked who still takes part. */
  recheckedMembers: number;
  /** Times a room asked whether PostgreSQL still holds what was handed out. */
  doubts: number;
  /** Times PostgreSQL did not, and the room was opened anew. */
  reopened: number;
}

/** Counters that begin at nothing. */
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
