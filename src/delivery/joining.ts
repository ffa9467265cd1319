/**
 * Which sockets are in which rooms, or on their way into them (`entering` is the way): joins of one
 * conversation on one socket take turns, a leave overtakes those that wait, and both are bounded.
 */

import type { Room } from '../audience/room.ts';
import type { Rooms } from '../audience/rooms.ts';
import { MAX_RUNNING_JOINS } from '../bounds/delivery.ts';
import { ChatError } from '../chat/errors.ts';
import type { CheckedPayload } from '../chat/events.ts';
import { actingUser } from '../chat/membership.ts';
import type { Actor } from '../chat/ports.ts';
import type { JoinResult } from '../chat/schemas.ts';
import type { Socket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { MultiMap } from '../shared/multi-map.ts';
import { createEntering, type EnteringDeps } from './entering.ts';
import { leftMeanwhile, type ReplayLimits } from './replay.ts';

export interface JoiningDeps extends Omit<EnteringDeps, 'limits'> {
  rooms: Rooms;
  limits: ReplayLimits & {
    /** Conversations one socket may have joined at once. */
    maxJoinedConversations: number;
  };
}

/** Joins of one conversation on one socket that have not ended. */
interface Running {
  /** Settles when the latest of them has. */
  busy: Promise<unknown>;
  count: number;
  /** A leave came after them: those still waiting their turn must not go ahead. */
  left: boolean;
}

/** Joining and leaving for the sockets of this node. */
export function createJoining({ rooms, ...deps }: JoiningDeps) {
  const { maxJoinedConversations } = deps.limits;
  const { enter } = createEntering(deps);
  /** The rooms a socket is in or on its way into: all that is kept of it while nothing happens. */
  const joined = new MultiMap<Socket, Room>();
  /** Joins under way, by `runningKey`: a socket's second join of a conversation waits for the first. */
  const running = new Map<string, Running>();

  function requireSpace(socket: Socket, conversationId: CanonicalId): void {
    const open = rooms.get(conversationId);
    const isNew = open === undefined || !joined.has(socket, open);
    if (isNew && joined.count(socket) >= maxJoinedConversations) {
      throw new ChatError(
        'invalid_request',
        `A socket can join ${maxJoinedConversations} conversations at once.`,
      );
    }
  }

  /**
   * The joins of this conversation on this socket, this one among them.
   *
   * @throws ChatError unavailable: there are enough of them
   */
  function oneMore(key: string): Running {
    const before = running.get(key);
    if (before !== undefined && before.count >= MAX_RUNNING_JOINS) {
      throw new ChatError('unavailable', 'This conversation is being joined already.');
    }
    const entry = before ?? { busy: Promise.resolve(), count: 0, left: false };
    if (before === undefined) running.set(key, entry);
    entry.count += 1;
    return entry;
  }

  function leaveRoom(socket: Socket, room: Room): void {
    const member = room.members.bySocket.get(socket);
    if (member !== undefined) room.members.remove(member);
    rooms.closeIfEmpty(room);
  }

  return {
    /**
     * Joins; `acknowledge` is called in the turn in which live delivery begins, before its first
     * message and after the last replayed one.
     *
     * @throws ChatError identity_mismatch, not_a_participant, not_found, invalid_request, rate_limited,
     *   unavailable
     */
    async join(
      socket: Socket,
      actor: Actor,
      input: CheckedPayload<'join_conversation'>,
      acknowledge: (result: JoinResult) => void,
    ): Promise<void> {
      const conversationId = input.conversation_id;
      const userId = actingUser(actor, input.user_id, 'user_id');
      requireSpace(socket, conversationId);
      const key = runningKey(socket, conversationId);
      const entry = oneMore(key);
      const room = rooms.acquire(conversationId);
      joined.add(socket, room);
      const entering = entry.busy.then(() => {
        if (entry.left || !socket.connected) throw leftMeanwhile();
        const afterSeq = input.after_seq ?? null;
        return enter(room, { socket, actor, userId, afterSeq, acknowledge });
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
    },

    /**
     * The join of this conversation that is under way on this socket, if any. What the client does
     * next in the conversation waits for it, so that it hears its own message after a join and a
     * send in one breath. Never rejects.
     */
    underWay(socket: Socket, conversationId: CanonicalId): Promise<unknown> | undefined {
      return running.get(runningKey(socket, conversationId))?.busy;
    },

    /** Stops hearing the conversation; harmless when it was not joined. */
    leave(socket: Socket, conversationId: CanonicalId): void {
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

/** Key of one socket's joins of one conversation; both ids have a fixed length. */
function runningKey(socket: Socket, conversationId: CanonicalId): string {
  return socket.id + conversationId;
}

export type Joining = ReturnType<typeof createJoining>;
