/**
 * Sessions without identity: nobody has said yet whom they speak for, or nobody does so any longer.
 *
 * Guarantees: they are at most a share of all sessions, so that they never fill the place; a newcomer
 * costs the oldest of them its place and is never turned away because of them: whoever has a good token
 * shows it within a round trip. What one of them sends is little, or it ends: a CONNECT or a few.
 */

import type { EngineLimits } from './engine-limits.ts';

/** A session as seen from here. */
export interface Stranger {
  identified: boolean;
  /** Packets it has sent without identity. */
  earlyPackets: number;
  abort(reason: string): void;
}

export interface Strangers<S extends Stranger> {
  readonly size: number;
  /** The session is new, or has lost its identity. */
  add(session: S): void;
  /** The session has an identity now. */
  identified(session: S): void;
  /** The session has ended. */
  delete(session: S): void;
  /** Takes account of a stranger's packet; whether it may be looked at. If not, the session ends. */
  admits(session: S, bytes: number): boolean;
  /** Makes room for one more session, of which there are `sessions`; whether there is room. */
  makeRoom(sessions: number): boolean;
}

export function createStrangers<S extends Stranger>(limits: EngineLimits): Strangers<S> {
  const { maxSessions, strangersShare, maxEarlyBytes, maxEarlyPackets } = limits;
  const maxStrangers = Math.max(Math.ceil(maxSessions * strangersShare), 1);
  /** The oldest first. */
  const strangers = new Set<S>();

  return {
    get size() {
      return strangers.size;
    },
    add(session) {
      session.identified = false;
      session.earlyPackets = 0;
      strangers.add(session);
    },
    identified(session) {
      session.identified = true;
      strangers.delete(session);
    },
    delete: (session) => void strangers.delete(session),
    admits(session, bytes) {
      session.earlyPackets += 1;
      if (bytes <= maxEarlyBytes && session.earlyPackets <= maxEarlyPackets) return true;
      session.abort('not admitted');
      return false;
    },
    makeRoom(sessions) {
      if (strangers.size < maxStrangers && sessions < maxSessions) return true;
      const [oldest] = strangers;
      oldest?.abort('displaced');
      return oldest !== undefined;
    },
  };
}
