/**
 * One conversation on this node, from its first joined socket to its last.
 *
 * Guarantees: members hear messages in the order of `seq`, each once, without a hole, whatever order
 * they are offered in and however many times; what the bus lost is read from PostgreSQL. A message is
 * handed out only after the members are known to be those of its own transaction, so nothing is
 * delivered past a removal, with or without the bus.
 */
import type { Standing, Store } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import type { Socket } from '../realtime/socket.ts';
import { AnnouncedCursors } from './announced-cursors.ts';
import { eventFrame, messageFrame } from './frames.ts';
import type { Member } from './member.ts';
import { ReadPace } from './read-pace.ts';

/** What a room needs from its node. */
export interface RoomContext {
  store: Pick<Store, 'readRange' | 'readMembers'>;
  /** Hands a frame to every live member of the room on this node. */
  publish(topic: string, frame: string | Uint8Array): void;
  /** An evicted socket has left the room; `missed` when nobody else tells it why. */
  evicted(room: Room, member: Member, missed: boolean): void;
  limits: RoomLimits;
  log: { warn(fields: object, message: string): void };
  stats: RoomStats;
}

export interface RoomLimits {
  /** How long a message waits for the ones before it until they are read from PostgreSQL. */
  holeHoldMs: number;
  /** Messages that may wait for a hole; more are dropped and read again with it. */
  maxHeld: number;
  /** Most messages read from PostgreSQL at a time. */
  readLimit: number;
  /** Pause after a failed read. */
  retryMs: number;
}

/** Counters over all rooms of a node. */
export interface RoomStats {
  delivered: number;
  held: number;
  repairs: number;
  repairedMessages: number;
  recheckedMembers: number;
}

interface Held {
  frame: string | Uint8Array;
  membersVersion: number;
}

/** Nothing is known yet: messages are held until PostgreSQL has said where the conversation stands. */
const UNKNOWN = -1;

/** Shared by the rooms, most of which never hold a message. Nothing is put into it. */
const NOTHING_HELD = new Map<number, Held>();

export class Room {
  readonly conversationId: string;
  readonly topic: string;
  readonly members = new Map<Socket, Member>();
  readonly cursors = new AnnouncedCursors();
  /** Joins under way that have no member yet; the room stays open for them. */
  pins = 0;
  /**
   * Resolves when the bus subscription is in force, or has failed and the head check must do; null
   * once somebody has waited for it.
   */
  subscribed: Promise<void> | null = null;
  /** seq of the last message handed to the members. */
  head = UNKNOWN;
  /** The version of the member list that `members` is known to agree with. */
  membersVersion = 0;

  private readonly context: RoomContext;
  private held = NOTHING_HELD;
  /** PostgreSQL is known to hold messages up to here. */
  private target = UNKNOWN;
  private targetMembersVersion = 0;
  private holdTimer: NodeJS.Timeout | null = null;
  private retryTimer: NodeJS.Timeout | null = null;
  private working = false;
  private closed = false;

  constructor(conversationId: string, topic: string, context: RoomContext) {
    this.conversationId = conversationId;
    this.topic = topic;
    this.context = context;
  }

  get opened(): boolean {
    return this.head !== UNKNOWN;
  }

  /** The conversation's place, read after the subscription was in force, opens the room. */
  open(standing: Pick<Standing, 'lastSeq' | 'membersVersion'>): void {
    if (this.opened) {
      this.noticeHead(standing.lastSeq, standing.membersVersion);
      return;
    }
    this.head = standing.lastSeq;
    this.membersVersion = standing.membersVersion;
    this.target = Math.max(this.target, this.head);
    for (const seq of this.held.keys()) if (seq <= this.head) this.held.delete(seq);
    this.advance();
  }

  /** A committed message, from this node's writer, the bus or a repair. */
  offer(seq: number, membersVersion: number, frame: string | Uint8Array): void {
    if (this.closed || (this.opened && seq <= this.head)) return;
    // The usual case: the next message, nothing waiting, members known.
    if (
      seq === this.head + 1 &&
      this.held.size === 0 &&
      !this.working &&
      this.opened &&
      membersVersion <= this.membersVersion
    ) {
      this.deliver(seq, frame);
      return;
    }
    if (this.held === NOTHING_HELD) this.held = new Map();
    if (this.held.size < this.context.limits.maxHeld) this.held.set(seq, { frame, membersVersion });
    if (seq > this.target) this.target = seq;
    this.context.stats.held += 1;
    if (this.opened) this.advance();
  }

  /** PostgreSQL says (head check, a join) that the conversation has come this far. */
  noticeHead(lastSeq: number, membersVersion: number): void {
    if (!this.opened || this.closed) return;
    if (lastSeq > this.target) this.target = lastSeq;
    if (membersVersion > this.targetMembersVersion) this.targetMembersVersion = membersVersion;
    this.advance();
  }

  /** PostgreSQL does not know the conversation: it was deleted, and nobody takes part any more. */
  noticeGone(): void {
    if (!this.opened || this.closed) return;
    this.targetMembersVersion = this.membersVersion + 1;
    this.advance();
  }

  /** The member list changed; `membersVersion` is the list's version after the change. */
  membershipChanged(action: 'added' | 'removed', userId: string, membersVersion: number): boolean {
    if (this.closed || (this.opened && membersVersion <= this.membersVersion)) return false;
    if (action === 'removed') {
      for (const member of [...this.members.values()]) {
        if (member.userId === userId && member.asOf < membersVersion) this.evict(member, false);
      }
    }
    if (this.opened && membersVersion === this.membersVersion + 1) {
      this.membersVersion = membersVersion;
      this.advance();
    } else {
      // A change before this one was missed.
      this.targetMembersVersion = Math.max(this.targetMembersVersion, membersVersion);
      if (this.opened) this.advance();
    }
    return true;
  }

  /** The socket leaves the room, by its own wish or because it is no participant any more. */
  remove(member: Member): void {
    if (this.members.get(member.socket) !== member) return;
    this.members.delete(member.socket);
    member.gone = true;
    member.socket.leave(this.topic);
  }

  close(): void {
    this.closed = true;
    this.held.clear();
    if (this.holdTimer !== null) clearTimeout(this.holdTimer);
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
  }

  private evict(member: Member, missed: boolean): void {
    this.remove(member);
    member.evicted = true;
    this.context.evicted(this, member, missed);
  }

  private deliver(seq: number, frame: string | Uint8Array): void {
    this.head = seq;
    if (seq > this.target) this.target = seq;
    this.context.stats.delivered += 1;
    this.context.publish(this.topic, frame);
  }

  /** Hands out what is in order; then starts whatever the rest needs. */
  private advance(): void {
    if (this.working || this.closed) return;
    for (;;) {
      const next = this.held.get(this.head + 1);
      if (next === undefined) break;
      if (next.membersVersion > this.membersVersion) {
        this.work(() => this.recheckMembers());
        return;
      }
      this.held.delete(this.head + 1);
      this.deliver(this.head + 1, next.frame);
    }
    if (this.targetMembersVersion > this.membersVersion) {
      this.work(() => this.recheckMembers());
    } else if (this.head < this.target && this.holdTimer === null) {
      this.holdTimer = setTimeout(() => {
        this.holdTimer = null;
        if (!this.working && !this.closed && this.head < this.target) {
          this.work(() => this.repair());
        }
      }, this.context.limits.holeHoldMs);
    }
  }

  /** One read at a time; a failed one is tried again after a pause, since the hole is still there. */
  private work(job: () => Promise<void>): void {
    this.working = true;
    job().then(
      () => {
        this.working = false;
        this.advance();
      },
      (error: unknown) => {
        const { conversationId } = this;
        this.context.log.warn({ err: error, conversationId }, 'room can not read; trying again');
        if (this.closed) return;
        this.retryTimer = setTimeout(() => {
          this.retryTimer = null;
          this.working = false;
          this.advance();
        }, this.context.limits.retryMs);
      },
    );
  }

  /** Reads what is missing before the first held message, or up to the target, from PostgreSQL. */
  private async repair(): Promise<void> {
    this.context.stats.repairs += 1;
    const pace = new ReadPace(this.context.limits.readLimit);
    while (!this.closed && this.head < this.target && !this.held.has(this.head + 1)) {
      const { messages, membersVersion } = await this.context.store.readRange({
        conversationId: this.conversationId,
        afterSeq: this.head,
        upToSeq: this.target,
        limit: pace.batch,
      });
      pace.read(messages);
      const first = messages[0]?.seq ?? this.target + 1;
      if (first !== this.head + 1) this.skipTo(first - 1);
      if (membersVersion > this.membersVersion) await this.recheckMembers();
      this.take(messages);
    }
  }

  /** PostgreSQL itself has nothing up to `seq` (rows deleted by hand, say): members are told so. */
  private skipTo(seq: number): void {
    const { conversationId } = this;
    this.context.log.warn({ conversationId, head: this.head, seq }, 'messages are missing');
    this.head = seq;
    const resync = { conversation_id: conversationId, last_seq: seq };
    this.context.publish(this.topic, eventFrame('resync', resync));
  }

  private take(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.closed || message.seq !== this.head + 1) return;
      this.held.delete(message.seq);
      this.context.stats.repairedMessages += 1;
      this.deliver(message.seq, messageFrame(message));
    }
  }

  /** Asks PostgreSQL who of the people here still takes part. */
  private async recheckMembers(): Promise<void> {
    this.context.stats.recheckedMembers += 1;
    const userIds = new Set<string>();
    for (const member of this.members.values()) userIds.add(member.userId);
    const knownVersion = this.membersVersion;
    const nextSeq = this.head + 1;
    const next = this.held.get(nextSeq);
    const now = await this.context.store.readMembers(this.conversationId, [...userIds]);
    // PostgreSQL never goes back: it knows less than was known only of a deleted conversation.
    const gone = now.membersVersion < knownVersion;
    for (const member of [...this.members.values()]) {
      // Whoever came after the question was asked has been checked by its own join.
      const asked = userIds.has(member.userId) && (gone || member.asOf <= now.membersVersion);
      if (asked && !now.members.has(member.userId)) this.evict(member, true);
    }
    this.membersVersion = Math.max(this.membersVersion, now.membersVersion);
    // A version beyond PostgreSQL's own was not one of this conversation, or it is deleted.
    if (next !== undefined && next.membersVersion > now.membersVersion) this.held.delete(nextSeq);
    this.targetMembersVersion = Math.min(this.targetMembersVersion, now.membersVersion);
  }
}
