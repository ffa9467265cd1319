export interface RoomLimits {
  /** How long a message waits for the ones before it until they are read from PostgreSQL. */
  holeHoldMs: number;
  /** Messages that may wait for a hole; more are dropped and read again with it. */
  maxHeld: number;
  /** Most messages read from PostgreSQL at a time. */
  readLimit: number;
  /** How long a room pauses after a failed read, in milliseconds. */
  retryMs: number;
}
