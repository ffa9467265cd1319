/**
 * Joining a conversation: from "I have seen everything up to n" to live delivery, without a hole or
 * a double in between.
 *
 * The room's head is the seam. A joining socket is read to from PostgreSQL up to the room's head,
 * and in the same turn of the event loop in which it has all of it, it starts to hear the room: the
 * next thing the room hands out is head + 1.
 */

import type { Member } from '../audience/member.ts';
import type { Room } from '../audience/room.ts';
import type { Rooms } from '../audience/rooms.ts';
import { ChatError } from '../chat/errors.ts';
import { actingUser, type CountedStanding, type Membership } from '../chat/membership.ts';
import type { Actor } from '../chat/ports.ts';
import type { JoinResult } from '../chat/schemas.ts';
import type { Socket } from '../realtime/socket.ts';
import { MultiMap } from '../shared/multi-map.ts';
import {
  createReplay,
  leftMeanwhile,
  READ_IT_YOURSELF,
  type ReplayDeps,
  type ReplayLimits,
  requireHere,
} from './replay.ts';

export interface JoiningDeps extends Omit<ReplayDeps, 'limits'> {
  rooms: Rooms;
  membership: Membership;
  limits: ReplayLimits & {
    /** Conversations one socket may have joined at once. */
    maxJoinedConversations: number;
  };
}

export interface JoinInput {
  conversation_id: string;
  user_id?: string | null;
  after_seq?: number | null;
}

/** Joins of one conversation on one socket that have not ended. */
interface Running {
  /** Settles when the latest of them has. */
  busy: Promise<unknown>;
  count: number;
  /** A leave came after them: those still waiting their turn must not go ahead. */
  left: boolean;
}

/** Joins of one conversation that a socket may have under way: more are of no use to anybody. */
const MAX_RUNNING_JOINS = 16;

export function createJoining({ rooms, membership, store, work, replayed, limits }: JoiningDeps) {
  const replay = createReplay({ store, work, replayed, limits });
  /** The rooms a socket is in or on its way into: all that is kept of it while nothing happens. */
  const joined = new MultiMap<Socket, Room>();
  /** By `runningKey`; the second join of one conversation waits for the first. */
  const running = new Map<string, Running>();

  /**
   * Joins; `acknowledge` is called in the turn in which live delivery begins, before its first
   * message and after the last replayed one.
   *
   * @throws ChatError identity_mismatch, not_a_participant, not_found, invalid_request, rate_limited,
   *   unavailable
   */
  async function join(
    socket: Socket,
    actor: Actor,
    input: JoinInput,
    acknowledge: (result: JoinResult) => void,
  ): Promise<void> {
    const conversationId = input.conversation_id.toLowerCase();
    const userId = actingUser(actor, input.user_id, 'user_id');
    const open = rooms.get(conversationId);
    const isNew = open === undefined || !joined.has(socket, open);
    if (isNew && joined.count(socket) >= limits.maxJoinedConversations) {
      throw new ChatError(
        'invalid_request',
        `A socket can join ${limits.maxJoinedConversations} conversations at once.`,
      );
    }
    const key = runningKey(socket, conversationId);
    const before = running.get(key);
    if (before !== undefined && before.count >= MAX_RUNNING_JOINS) {
      throw new ChatError('unavailable', 'This conversation is being joined already.');
    }
    const room = rooms.acquire(conversationId);
    joined.add(socket, room);
    const entry = before ?? { busy: Promise.resolve(), count: 0, left: false };
    if (before === undefined) running.set(key, entry);
    entry.count += 1;
    const entering = entry.busy.then(() => {
      if (entry.left || !socket.connected) throw leftMeanwhile();
      return enter(room, socket, actor, userId, input.after_seq ?? null, acknowledge);
    });
    entry.busy = entering.catch(() => undefined);
    try {
      await entering;
    } finally {
      entry.count -= 1;
      // After a leave there may be another entry, of joins that came later.
      if (entry.count === 0 && running.get(key) === entry) {
        running.delete(key);
        if (!room.members.bySocket.has(socket)) joined.delete(socket, room);
      }
      rooms.release(room);
    }
  }

  async function enter(
    room: Room,
    socket: Socket,
    actor: Actor,
    userId: string,
    afterSeq: number | null,
    acknowledge: (result: JoinResult) => void,
  ): Promise<void> {
    // Joining again starts the stream anew, from where this call says, else from where it stands.
    const old = room.members.bySocket.get(socket);
    if (old !== undefined) room.members.remove(old);
    const heardSeq = old?.live === true && old.userId === userId ? room.head : null;
    const member: Member = { socket, userId, asOf: -1, live: false, gone: false, evicted: false };
    room.members.bySocket.set(socket, member);
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
  }

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

  function leaveRoom(socket: Socket, room: Room): void {
    const member = room.members.bySocket.get(socket);
    if (member !== undefined) room.members.remove(member);
    rooms.closeIfEmpty(room);
  }

  return {
    join,

    /**
     * The join of this conversation that is under way on this socket, if any. What the client does
     * next in the conversation waits for it, so that it hears its own message after a join and a
     * send in one breath. Never rejects.
     */
    underWay(socket: Socket, conversationId: string): Promise<unknown> | undefined {
      return running.get(runningKey(socket, conversationId))?.busy;
    },

    /** Stops hearing the conversation; harmless when it was not joined. */
    leave(socket: Socket, conversationId: string): void {
      const room = rooms.get(conversationId);
      if (room === undefined) return;
      const key = runningKey(socket, conversationId);
      const entry = running.get(key);
      if (entry !== undefined) entry.left = true;
      running.delete(key);
      joined.delete(socket, room);
      leaveRoom(socket, room);
    },

    /** The socket has gone. */
    leaveAll(socket: Socket): void {
      const left = joined.get(socket);
      joined.deleteAll(socket);
      for (const room of left) leaveRoom(socket, room);
    },

    /** The room has let the socket go. Joins under way find out by themselves. */
    forget(socket: Socket, room: Room): void {
      if (!running.has(runningKey(socket, room.conversationId))) joined.delete(socket, room);
    },
  };
}

/** Both ids have a fixed length. */
function runningKey(socket: Socket, conversationId: string): string {
  return socket.id + conversationId;
}

export type Joining = ReturnType<typeof createJoining>;
