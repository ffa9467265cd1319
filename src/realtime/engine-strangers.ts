/**
 * Sessions without identity: nobody has said yet whom they speak for, or nobody does so any longer.
 *
 * Guarantees: they are at most a share of all sessions, so that they never fill the place; a newcomer
 * costs the oldest of them its place and is never turned away because of them: whoever has a good token
 * shows it within a round trip. What one of them sends is little, or it ends: a CONNECT or a few.
 */

import { FREE_STRANGER_BYTES } from '../bounds/realtime.ts';
import type { Holder, MemoryBudget } from '../shared/memory-budget.ts';
import type { CloseReason } from './close-reasons.ts';
import type { RequestFacts } from './engine-http.ts';
import type { EngineLimits } from './engine-limits.ts';

/** A session, as far as this module looks at it. */
export interface Stranger extends Holder {
  identified: boolean;
  /** Packets it has sent without identity. */
  earlyPackets: number;
  /** The request that opened it, while that is kept. */
  readonly facts: RequestFacts | undefined;
  abort(reason: CloseReason): void;
}

export interface Strangers<S extends Stranger> {
  readonly size: number;
  /** To be called when a session is new, or has lost its identity. */
  add(session: S): void;
  /** To be called when a session has got an identity. */
  identified(session: S): void;
  /** To be called when a session has ended. */
  delete(session: S): void;
  /** Takes account of a stranger's packet; whether it may be looked at. If not, the session ends. */
  admits(session: S, bytes: number): boolean;
  /** Makes room for one more session, of which there are `sessions`; whether there is room. */
  makeRoom(sessions: number): boolean;
}

/** What a field of a request takes beside its text, bytes. */
const FIELD_BYTES = 150;

/** The strangers of one server; none at first. */
export function createStrangers<S extends Stranger>(
  limits: EngineLimits,
  memory: MemoryBudget,
): Strangers<S> {
  const { maxSessions, strangersShare, maxEarlyBytes, maxEarlyPackets } = limits;
  const maxStrangers = Math.max(Math.ceil(maxSessions * strangersShare), 1);
  /** The sessions without identity, the oldest first. */
  const strangers = new Set<S>();

  return {
    get size() {
      return strangers.size;
    },
    add(session) {
      session.identified = false;
      session.earlyPackets = 0;
      strangers.add(session);
      memory.hold(session, bytesOf(session));
    },
    identified(session) {
      session.identified = true;
      strangers.delete(session);
      memory.release(session, bytesOf(session));
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

function bytesOf({ facts }: Stranger): number {
  let bytes = 0;
  for (const fields of [facts?.query, facts?.headers]) {
    for (const [name, value] of fields ?? []) {
      bytes += FIELD_BYTES + 2 * (name.length + value.length);
    }
  }
  return Math.max(bytes - FREE_STRANGER_BYTES, 0);
}
