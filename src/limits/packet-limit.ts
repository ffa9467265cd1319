/**
 * How many packets one connection may send in a window. The count is kept with the connection, so that
 * none is forgotten or counted for another one, however many there are.
 */
import { FLOOD_FACTOR } from '../bounds/limits.ts';

/** The part of a connection that is counted in. */
export interface PacketCount {
  packets: number;
  window: number;
}

export interface PacketLimitDeps {
  limit: number;
  windowMs: number;
  /** Called for every packet that is too many. */
  refused: () => void;
  /** Milliseconds of a clock that is never set back. */
  now?: () => number;
}

/** The limit, for all connections of this process. */
export function createPacketLimit(deps: PacketLimitDeps) {
  const { limit, windowMs, refused, now = () => performance.now() } = deps;
  return {
    /** Counts one packet: fine, too many, or so many that the connection has to go. */
    take(count: PacketCount): 'ok' | 'over' | 'flood' {
      const window = Math.floor(now() / windowMs);
      if (count.window !== window) {
        count.window = window;
        count.packets = 0;
      }
      count.packets += 1;
      if (count.packets <= limit) return 'ok';
      refused();
      return count.packets > limit * FLOOD_FACTOR ? 'flood' : 'over';
    },
    /** Whole seconds until the current window ends, at least 1. */
    retryAfterSeconds: () => Math.max(1, Math.ceil((windowMs - (now() % windowMs)) / 1000)),
  };
}

export type PacketLimit = ReturnType<typeof createPacketLimit>;
