/**
 * Reading a joining socket up to the room's head: from where, how much at a time, and when the client
 * has to read history by itself instead.
 */

import { messageFrame } from '../audience/frames.ts';
import type { Member } from '../audience/member.ts';
import { ReadPace } from '../audience/read-pace.ts';
import type { Room } from '../audience/room.ts';
import { ChatError } from '../chat/errors.ts';
import type { MessageRange, Standing, Store } from '../chat/ports.ts';
import { type PersonalWork, stretchCost } from '../chat/work.ts';

export interface ReplayDeps {
  store: Pick<Store, 'readRange'>;
  work: PersonalWork;
  /** Called with the number of messages after each stretch of a replay. */
  replayed?: ((messages: number) => void) | undefined;
  limits: ReplayLimits;
}

export interface ReplayLimits {
  /** A client further behind than this many messages is told to `resync`. */
  maxReplay: number;
  /** Most messages read from PostgreSQL at a time during a replay. */
  replayBatch: number;
  /** A replay pauses while the socket has this many bytes unsent. */
  replayBufferBytes: number;
  /** How often a paused replay looks again. */
  replayPauseMs: number;
  /**
   * How long a join waits for this node: to come as far as a client that is ahead of it (then it is
   * told to `resync`), or to hear from PostgreSQL whether the room's head stands.
   */
  catchUpMs: number;
}

/** Where a replay begins. */
export interface ReplayPlan {
  /** Reading begins after this seq; infinity: there is nothing to read. */
  from: number;
  /** The client has to read history by itself. */
  resync: boolean;
}

/** The plan for a client that is too far behind, or that has heard what was lost since. */
export const READ_IT_YOURSELF: ReplayPlan = { from: Number.POSITIVE_INFINITY, resync: true };
const NOTHING_TO_READ: ReplayPlan = { from: Number.POSITIVE_INFINITY, resync: false };

/** Replays for the sockets of this node. */
export function createReplay({ store, work, replayed, limits }: ReplayDeps) {
  /** Resolves when PostgreSQL has said whether the room's head stands. */
  async function settled(room: Room, member: Member): Promise<void> {
    const giveUpAtMs = performance.now() + limits.catchUpMs;
    while (room.inDoubt) {
      if (performance.now() > giveUpAtMs) {
        throw new ChatError('unavailable', 'The conversation cannot be read now.');
      }
      await new Promise((resolve) => setTimeout(resolve, limits.replayPauseMs));
      requireHere(member);
    }
  }

  /** Where reading starts, and whether the client has to fetch history by itself instead. */
  async function plan(
    room: Room,
    member: Member,
    standing: Standing,
    afterSeq: number | null,
  ): Promise<ReplayPlan> {
    if (afterSeq === null) return NOTHING_TO_READ;
    // The client heard more than this node has handed out: another node was ahead of this one.
    const giveUpAtMs = performance.now() + limits.catchUpMs;
    while (afterSeq > room.head && afterSeq <= standing.lastSeq && performance.now() < giveUpAtMs) {
      await new Promise((resolve) => setTimeout(resolve, limits.replayPauseMs));
      requireHere(member);
    }
    const lost = standing.lostFuture;
    const mayBeLost = lost !== null && afterSeq > lost.afterSeq && afterSeq <= lost.upToSeq;
    const behind = room.head - afterSeq;
    if (mayBeLost || behind < 0 || behind > limits.maxReplay) {
      return READ_IT_YOURSELF;
    }
    return { from: afterSeq, resync: false };
  }

  /**
   * Sends the next stretch after `position`; resolves with the new position. As much is read at a
   * time as the socket took before: long messages must not pile up behind a slow reader.
   */
  async function step(
    room: Room,
    member: Member,
    position: number,
    pace: ReadPace,
  ): Promise<number> {
    while (member.socket.bufferedBytes() > limits.replayBufferBytes) {
      await new Promise((resolve) => setTimeout(resolve, limits.replayPauseMs));
      requireHere(member);
    }
    const upToSeq = room.head;
    const rows = Math.min(pace.batch, upToSeq - position);
    const read = () =>
      store.readRange({
        conversationId: room.conversationId,
        afterSeq: position,
        upToSeq,
        limit: pace.batch,
      });
    const range = await work.shared(member.userId, rows, read, stretchCost);
    requireHere(member);
    if (range.lastSeq < upToSeq) {
      room.doubt();
      return position;
    }
    // Somebody joined or was removed since: ask again before handing out what was read.
    if (range.membersVersion !== member.asOf) {
      room.noticeHead(0, range.membersVersion);
      member.asOf = -1;
      return position;
    }
    pace.read(range.messages);
    const { reached, sent } = sendTo(member, position, range);
    if (sent < range.messages.length) pace.took(sent);
    replayed?.(sent);
    return reached;
  }

  /** Sends what was read, as far as the socket takes it, in as few writes as that can be. */
  function sendTo({ socket }: Member, position: number, { messages, coveredSeq }: MessageRange) {
    let reached = position;
    let sent = 0;
    socket.together(() => {
      for (const message of messages) {
        if (sent > 0 && socket.bufferedBytes() > limits.replayBufferBytes) return;
        socket.sendFrame(messageFrame(message));
        reached = message.seq;
        sent += 1;
      }
      reached = coveredSeq;
    });
    return { reached, sent };
  }

  return { settled, plan, step, newPace: () => new ReadPace(limits.replayBatch) };
}

/** @throws ChatError when the join of `member` has become pointless */
export function requireHere(member: Member): void {
  if (member.evicted) {
    throw new ChatError('not_a_participant', 'You are not a participant of this conversation.');
  }
  if (member.gone || !member.socket.connected) throw leftMeanwhile();
}

/** The refusal of a join that a leave has overtaken. */
export function leftMeanwhile(): ChatError {
  return new ChatError('invalid_request', 'The conversation was left while it was being joined.');
}
