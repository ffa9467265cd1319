/**
 * What the people on this node have been told of their memberships. The same change may be heard from
 * this node's own rules, from the bus, and read from PostgreSQL, in any order: each is told once, and
 * none after a later one of the same person and conversation.
 */

import { MAX_REMEMBERED_NEWS } from '../bounds/audience.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { UserSockets } from './user-sockets.ts';

/** The version of a member list that its conversation was made with (sql/0004: one statement). */
export const FIRST_MEMBERS_VERSION = 1;

interface Place {
  conversationId: CanonicalId;
  membersVersion: number;
}

/** What has been told so far is bounded: with too many people and conversations the oldest is forgotten. */
export function createMembershipNews(users: Pick<UserSockets, 'has' | 'send'>) {
  const told = new Map<string, number>();

  return {
    /**
     * Sends a frame to every socket of the person on this node, joined or not, unless they know.
     *
     * @param beforeMs of performance.now(): a socket that connected later has seen the change
     */
    tell(
      userId: CanonicalId,
      { conversationId, membersVersion }: Place,
      frame: string,
      beforeMs?: number,
    ) {
      if (!users.has(userId)) return;
      const key = userId + conversationId;
      if (membersVersion <= (told.get(key) ?? 0)) return;
      told.delete(key);
      told.set(key, membersVersion);
      for (const oldest of told.keys()) {
        if (told.size <= MAX_REMEMBERED_NEWS) break;
        told.delete(oldest);
      }
      users.send(userId, frame, beforeMs);
    },

    /** PostgreSQL has gone back or is another one: versions count anew. */
    forget: () => told.clear(),
  };
}

export type MembershipNews = ReturnType<typeof createMembershipNews>;
