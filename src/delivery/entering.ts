/**
 * One socket's way into one room: from "I have seen everything up to n" to live delivery, without a
 * hole or a double in between.
 *
 * The room's head is the seam. A joining socket is read to from PostgreSQL up to the room's head,
 * and in the same turn of the event loop in which it has all of it, it starts to hear the room: the
 * next thing the room hands out is head + 1.
 */

import type { Member } from '../audience/member.ts';
import type { Room } from '../audience/room.ts';
import type { CountedStanding, Membership } from '../chat/membership.ts';
import type { Actor } from '../chat/ports.ts';
import type { JoinResult } from '../chat/schemas.ts';
import type { Socket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { createReplay, READ_IT_YOURSELF, type ReplayDeps, requireHere } from './replay.ts';

export interface EnteringDeps extends ReplayDeps {
  membership: Membership;
}

/** Who wants to come in, and what they have heard. */
export interface Entrant {
  socket: Socket;
  actor: Actor;
  /** The person the socket listens for: the actor, or whom a service names. */
  userId: CanonicalId;
  /** seq of the last message that the client has; null: it wants none that are stored already. */
  afterSeq: number | null;
  /** Called in the turn in which live delivery begins, after the last replayed message. */
  acknowledge: (result: JoinResult) => void;
}

/** The way in for the sockets of this node; `joining` decides whose turn it is. */
export function createEntering({ membership, ...deps }: EnteringDeps) {
  const replay = createReplay(deps);

  async function stand(room: Room, member: Member, actor: Actor): Promise<CountedStanding> {
    const { head } = room;
    const { version } = room.members;
    const standing = await membership.requireStanding(actor, room.conversationId, member.userId);
    requireHere(member);
    // What this node knows had been committed before PostgreSQL was asked.
    if (standing.lastSeq < head || standing.membersVersion < version) room.doubt();
    member.asOf = standing.membersVersion;
    return standing;
  }

  return {
    /**
     * Resolves when the socket hears the room.
     *
     * @throws ChatError not_a_participant, not_found, invalid_request (left meanwhile), unavailable
     */
    async enter(room: Room, { socket, actor, userId, afterSeq, acknowledge }: Entrant) {
      // Joining again starts the stream anew, from where this call says, else from where it stands.
      const old = room.members.bySocket.get(socket);
      if (old !== undefined) room.members.remove(old);
      const heardSeq = old?.live === true && old.userId === userId ? room.head : null;
      const member: Member = { socket, userId, asOf: -1, live: false, gone: false, evicted: false };
      room.members.add(member);
      try {
        await room.subscribed;
        room.subscribed = null;
        let standing = await stand(room, member, actor);
        room.open(standing);
        let { era } = room;
        let plan = await replay.plan(room, member, standing, afterSeq ?? heardSeq);
        let position = plan.from;
        const pace = replay.newPace();
        for (;;) {
          requireHere(member);
          if (room.inDoubt) {
            await replay.settled(room, member);
          } else if (room.era !== era) {
            // What was replayed, or is already there, PostgreSQL has lost.
            ({ era } = room);
            plan = READ_IT_YOURSELF;
            position = plan.from;
          } else if (room.members.version > member.asOf) {
            standing = await stand(room, member, actor);
          } else if (position < room.head) {
            position = await replay.step(room, member, position, pace);
          } else {
            break;
          }
        }
        // From here to the end nothing waits: the acknowledgement and going live are one step.
        member.live = true;
        acknowledge({
          conversation_id: room.conversationId,
          last_seq: room.head,
          last_read_seq: standing.lastReadSeq,
          unread_count: standing.unread.count,
          unread_exact: standing.unread.exact,
          ...(plan.resync ? { resync: true as const } : {}),
        });
        socket.join(room.topic);
      } catch (error) {
        room.members.remove(member);
        throw error;
      }
    },
  };
}
