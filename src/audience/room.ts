/**
 * One conversation on this node, from its first joined socket to its last.
 *
 * Guarantees: members hear messages in the order of `seq`, each once, without a hole, whatever order
 * they are offered in and however many times; what the bus lost is read from PostgreSQL, and rows that
 * are gone there are passed over. A message is handed out only after the members are known to be those
 * of its transaction: nothing is delivered past a removal, with or without the bus. When PostgreSQL has
 * gone back behind what was handed out, members hear `resync` before anything newer.
 *
 * One question to PostgreSQL is under way at a time, and nothing is handed out meanwhile: the head
 * stands still during an await. What else is read after one may be younger than the answer.
 */

import type { HeadView, MessageRange, Standing, Store } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { AnnouncedCursors } from './announced-cursors.ts';
import { newChecked } from './checked.ts';
import { eventFrame, messageFrame } from './frames.ts';
import type { Member } from './member.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { ReadPace } from './read-pace.ts';
import type { RoomLimits } from './room-limits.ts';
import { RoomMembers } from './room-members.ts';
import { type Offer, RoomOrder } from './room-order.ts';
import type { RoomStats } from './room-stats.ts';

/** What a room needs, the same for all rooms of a node. */
export interface RoomDeps {
  store: Pick<Store, 'readRange' | 'readMembers' | 'readHead' | 'noteLostFuture'>;
  /** Hands a frame to every live member of the room on this node. */
  publish(topic: string, frame: string | Uint8Array): void;
  /** An evicted socket has left the room; `missed` when nobody else tells it why. */
  evicted(room: Room, member: Member, missed: boolean): void;
  /** The room hands out a message after checks that found it silent. */
  moved(room: Room): void;
  limits: RoomLimits;
  log: { warn(fields: object, message: string): void };
  stats: RoomStats;
}

/** The room of one conversation; `rooms.ts` makes and closes them. */
export class Room {
  readonly conversationId: CanonicalId;
  readonly topic: string;
  readonly members: RoomMembers;
  readonly cursors = new AnnouncedCursors();
  /** Joins under way that have no member yet; the room stays open for them. */
  pins = 0;
  /**
   * Resolves when the bus subscription is in force, or has failed and the head check must do; null
   * once somebody has waited for it.
   */
  subscribed: Promise<void> | null = null;
  /** Grows when the room is opened anew because PostgreSQL has gone back. */
  era = 0;
  /** When it is compared with PostgreSQL; kept by head-checks.ts. */
  readonly checked = newChecked();

  readonly #deps: RoomDeps;
  readonly #order = new RoomOrder();
  readonly #questions = new OneAtATime();
  /** Doubts that are not cleared up: while there are any, PostgreSQL is asked before anything is handed out. */
  #doubts = 0;
  #holdTimer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(conversationId: CanonicalId, topic: string, deps: RoomDeps) {
    this.conversationId = conversationId;
    this.topic = topic;
    this.#deps = deps;
    this.members = new RoomMembers({
      store: deps.store,
      conversationId,
      topic,
      evicted: (member, missed) => deps.evicted(this, member, missed),
    });
  }

  /** seq of the last message handed to the members; -1 until the room is opened. */
  get head(): number {
    return this.#order.head;
  }

  get opened(): boolean {
    return this.#order.hasBegun;
  }

  /** Whether PostgreSQL is still to say if the head stands; joins wait for that. */
  get inDoubt(): boolean {
    return this.#doubts > 0;
  }

  /** The conversation's place, read after the subscription was in force, opens the room. */
  open(standing: Pick<Standing, 'lastSeq' | 'lastMessageId' | 'membersVersion'>): void {
    if (this.opened) {
      this.noticeHead(standing.lastSeq, standing.membersVersion);
      return;
    }
    this.members.begin(standing.membersVersion);
    this.#order.begin(standing.lastSeq, standing.lastMessageId);
    this.#advance();
  }

  /** A committed message, from this node's writer or the bus. */
  offer({ seq, id, membersVersion, frame }: Offer): void {
    if (this.#closed) return;
    if (this.opened && seq <= this.head) {
      // Late, because it was read from PostgreSQL first; or PostgreSQL has gone back, and this is
      // another message in the place of one that was heard.
      if (seq !== this.head || id !== this.#order.headId) this.doubt();
      return;
    }
    // The usual case: the next message, nothing waiting, members known.
    if (
      this.#order.isTurnOf(seq) &&
      !this.#questions.isBusy &&
      membersVersion <= this.members.version
    ) {
      this.#deliver(seq, id, frame);
      return;
    }
    this.#order.hold(seq, { id, frame, membersVersion }, this.#deps.limits.maxHeld);
    this.#order.expect(seq);
    this.#deps.stats.held += 1;
    if (this.opened) this.#advance();
  }

  /** PostgreSQL says (head check, a join) that the conversation has come this far. */
  noticeHead(lastSeq: number, membersVersion: number): void {
    if (!this.opened || this.#closed) return;
    this.#order.expect(lastSeq);
    this.members.notice(membersVersion);
    this.#advance();
  }

  /** Asks PostgreSQL whether it still holds what was handed out, before anything newer is. */
  doubt(): void {
    if (!this.opened || this.#closed) return;
    this.#doubts += 1;
    this.#advance();
  }

  /** Takes in a change of the member list, which has this version now. False: the members know it already. */
  membershipChanged(
    action: 'added' | 'removed',
    userId: CanonicalId,
    membersVersion: number,
  ): boolean {
    if (this.#closed) return false;
    if (!this.opened || membersVersion > this.members.version) {
      this.members.change(action, userId, membersVersion, this.opened);
      if (this.opened) this.#advance();
    }
    return this.members.isNews(userId, membersVersion);
  }

  close(): void {
    this.#closed = true;
    this.#order.clearHeld();
    if (this.#holdTimer !== null) clearTimeout(this.#holdTimer);
    this.#questions.close();
  }

  #deliver(seq: number, id: CanonicalId, frame: string | Uint8Array): void {
    this.#order.reach(seq, id);
    this.#deps.stats.delivered += 1;
    if (this.checked.quiet > 0) this.#deps.moved(this);
    this.#deps.publish(this.topic, frame);
  }

  /** Hands out what is in order; then starts whatever the rest needs. */
  #advance(): void {
    if (this.#questions.isBusy || this.#closed) return;
    if (this.#doubts > 0) {
      this.#ask(() => this.#verify());
      return;
    }
    for (;;) {
      const { next } = this.#order;
      if (next === undefined) break;
      if (next.membersVersion > this.members.version) {
        this.#ask(() => this.#recheckMembers());
        return;
      }
      const seq = this.head + 1;
      this.#order.drop(seq);
      this.#deliver(seq, next.id, next.frame);
    }
    if (this.members.areOutdated) {
      this.#ask(() => this.#recheckMembers());
    } else if (this.#order.isBehind && this.#holdTimer === null) {
      this.#holdTimer = setTimeout(() => {
        this.#holdTimer = null;
        if (!this.#questions.isBusy && !this.#closed && this.#order.isBehind) {
          this.#ask(() => this.#repair());
        }
      }, this.#deps.limits.holeHoldMs);
    }
  }

  #ask(question: () => Promise<void>): void {
    const { conversationId } = this;
    const { limits, log } = this.#deps;
    this.#questions.run(
      question,
      () => this.#advance(),
      (error) => log.warn({ err: error, conversationId }, 'room cannot read; trying again'),
      limits.retryMs,
    );
  }

  /** Reads what is missing before the first held message, or up to the target, from PostgreSQL. */
  async #repair(): Promise<void> {
    this.#deps.stats.repairs += 1;
    const pace = new ReadPace(this.#deps.limits.readLimit);
    while (!this.#closed && this.#order.isBehind && this.#order.next === undefined) {
      const upToSeq = this.#order.target;
      const range = await this.#deps.store.readRange({
        conversationId: this.conversationId,
        afterSeq: this.head,
        upToSeq,
        limit: pace.batch,
      });
      pace.read(range.messages);
      if (range.lastSeq < this.head) {
        this.#doubts += 1;
        return;
      }
      if (range.membersVersion !== this.members.version) await this.#recheckMembers();
      this.#take(range);
      if (range.lastSeq < upToSeq) this.#order.forgetBeyond(range.lastSeq, upToSeq);
    }
  }

  #take({ messages, coveredSeq }: MessageRange): void {
    for (const message of messages) this.#deliverRead(message);
    if (this.#closed || coveredSeq <= this.head) return;
    // Rows that are gone (moderation, somebody's clean-up) are no hole: nobody will ever hear them.
    this.#order.passOver(coveredSeq);
  }

  #deliverRead(message: Message): void {
    if (this.#closed) return;
    this.#order.dropUpTo(message.seq);
    this.#deps.stats.repairedMessages += 1;
    this.#deliver(message.seq, message.id, messageFrame(message));
  }

  async #recheckMembers(): Promise<void> {
    this.#deps.stats.recheckedMembers += 1;
    const nextSeq = this.head + 1;
    const { next } = this.#order;
    const version = await this.members.recheck();
    // A version beyond PostgreSQL's own was not one of this conversation, or it is deleted.
    if (next !== undefined && next.membersVersion > version) this.#order.drop(nextSeq);
  }

  /** Asks PostgreSQL whether it still holds what was handed out; opens the room anew where not. */
  async #verify(): Promise<void> {
    const { conversationId, head: seq } = this;
    const cleared = this.#doubts;
    const heard = this.#order.target;
    this.#deps.stats.doubts += 1;
    const known = { conversationId, seq, messageId: this.#order.headId };
    const now = await this.#deps.store.readHead(known);
    if (now === null || now.membersVersion < this.members.version) await this.#recheckMembers();
    if (now === null) this.#order.forgetBeyond(seq, heard); // The conversation is deleted.
    if (now?.goesOn === false && !this.#closed) await this.#openAnew(now, heard);
    this.#doubts -= cleared; // Those that came up meanwhile want another answer.
  }

  /** @param heard up to where messages were spoken of when PostgreSQL was asked */
  async #openAnew(now: HeadView, heard: number): Promise<void> {
    const { conversationId, head } = this;
    const { lastSeq } = now;
    this.#deps.log.warn({ conversationId, head, lastSeq }, 'PostgreSQL went back');
    // Where it has grown over what was lost, nobody knows from where on.
    const afterSeq = lastSeq < head ? lastSeq : 0;
    await this.#deps.store.noteLostFuture({ conversationId, afterSeq, upToSeq: head });
    await this.#recheckMembers();
    if (this.#closed) return;
    this.#deps.stats.reopened += 1;
    this.members.begin(this.members.version);
    this.era += 1;
    this.#order.beginAnew(lastSeq, now.lastMessageId, heard);
    this.cursors.forget();
    const told = eventFrame('resync', { conversation_id: conversationId, last_seq: lastSeq });
    this.#deps.publish(this.topic, told);
  }
}
