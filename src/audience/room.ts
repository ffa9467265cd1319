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
import type { HeadView, MessageRange, Standing } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import { AnnouncedCursors } from './announced-cursors.ts';
import { eventFrame, messageFrame } from './frames.ts';
import { HeldMessages } from './held-messages.ts';
import { ReadPace } from './read-pace.ts';
import type { Offer, RoomContext } from './room-context.ts';
import { RoomMembers } from './room-members.ts';

/** Nothing is known yet: messages are held until PostgreSQL says where the conversation stands. */
const UNKNOWN = -1;

export class Room {
  readonly conversationId: string;
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
  /** seq of the last message handed to the members. */
  head = UNKNOWN;
  /** Grows when the room is opened anew because PostgreSQL has gone back. */
  era = 0;

  readonly #context: RoomContext;
  readonly #held = new HeldMessages();
  /** The message at the head; null when it is not known. */
  #headId: string | null = null;
  /** PostgreSQL is said to hold messages up to here. */
  #target = UNKNOWN;
  /** What did not fit and is not cleared up: PostgreSQL is asked before anything is handed out. */
  #doubts = 0;
  #holdTimer: NodeJS.Timeout | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #working = false;
  #closed = false;

  constructor(conversationId: string, topic: string, context: RoomContext) {
    this.conversationId = conversationId;
    this.topic = topic;
    this.#context = context;
    this.members = new RoomMembers({
      store: context.store,
      conversationId,
      topic,
      evicted: (member, missed) => context.evicted(this, member, missed),
    });
  }

  get opened(): boolean {
    return this.head !== UNKNOWN;
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
    this.head = standing.lastSeq;
    this.#headId = standing.lastMessageId;
    this.members.begin(standing.membersVersion);
    this.#target = Math.max(this.#target, this.head);
    this.#held.dropBetween(0, this.head);
    this.#advance();
  }

  /** A committed message, from this node's writer or the bus. */
  offer({ seq, id, membersVersion, frame }: Offer): void {
    if (this.#closed) return;
    if (this.opened && seq <= this.head) {
      // Late, because it was read from PostgreSQL first; or PostgreSQL has gone back, and this is
      // another message in the place of one that was heard.
      if (seq !== this.head || id !== this.#headId) this.doubt();
      return;
    }
    // The usual case: the next message, nothing waiting, members known.
    if (
      seq === this.head + 1 &&
      this.#held.isEmpty &&
      !this.#working &&
      this.opened &&
      membersVersion <= this.members.version
    ) {
      this.#deliver(seq, id, frame);
      return;
    }
    this.#held.hold(seq, { id, frame, membersVersion }, this.#context.limits.maxHeld);
    if (seq > this.#target) this.#target = seq;
    this.#context.stats.held += 1;
    if (this.opened) this.#advance();
  }

  /** PostgreSQL says (head check, a join) that the conversation has come this far. */
  noticeHead(lastSeq: number, membersVersion: number): void {
    if (!this.opened || this.#closed) return;
    if (lastSeq > this.#target) this.#target = lastSeq;
    this.members.notice(membersVersion);
    this.#advance();
  }

  /** PostgreSQL may not hold any more what was handed out: it is asked before anything newer is. */
  doubt(): void {
    if (!this.opened || this.#closed) return;
    this.#doubts += 1;
    this.#advance();
  }

  /** The member list changed, and has this version now. False: the members know it already. */
  membershipChanged(action: 'added' | 'removed', userId: string, membersVersion: number): boolean {
    if (this.#closed) return false;
    if (!this.opened || membersVersion > this.members.version) {
      this.members.change(action, userId, membersVersion, this.opened);
      if (this.opened) this.#advance();
    }
    return this.members.isNews(userId, membersVersion);
  }

  close(): void {
    this.#closed = true;
    this.#held.clear();
    if (this.#holdTimer !== null) clearTimeout(this.#holdTimer);
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
  }

  #deliver(seq: number, id: string, frame: string | Uint8Array): void {
    this.head = seq;
    this.#headId = id;
    if (seq > this.#target) this.#target = seq;
    this.#context.stats.delivered += 1;
    this.#context.publish(this.topic, frame);
  }

  /** Hands out what is in order; then starts whatever the rest needs. */
  #advance(): void {
    if (this.#working || this.#closed) return;
    if (this.#doubts > 0) {
      this.#work(() => this.#verify());
      return;
    }
    for (;;) {
      const next = this.#held.get(this.head + 1);
      if (next === undefined) break;
      if (next.membersVersion > this.members.version) {
        this.#work(() => this.#recheckMembers());
        return;
      }
      this.#held.drop(this.head + 1);
      this.#deliver(this.head + 1, next.id, next.frame);
    }
    if (this.members.areOutdated) {
      this.#work(() => this.#recheckMembers());
    } else if (this.head < this.#target && this.#holdTimer === null) {
      this.#holdTimer = setTimeout(() => {
        this.#holdTimer = null;
        if (!this.#working && !this.#closed && this.head < this.#target) {
          this.#work(() => this.#repair());
        }
      }, this.#context.limits.holeHoldMs);
    }
  }

  /** One read at a time; a failed one is tried again after a pause, since the need is still there. */
  #work(job: () => Promise<void>): void {
    this.#working = true;
    job().then(
      () => {
        this.#working = false;
        this.#advance();
      },
      (error: unknown) => {
        const { conversationId } = this;
        this.#context.log.warn({ err: error, conversationId }, 'room can not read; trying again');
        if (this.#closed) return;
        this.#retryTimer = setTimeout(() => {
          this.#retryTimer = null;
          this.#working = false;
          this.#advance();
        }, this.#context.limits.retryMs);
      },
    );
  }

  /** Reads what is missing before the first held message, or up to the target, from PostgreSQL. */
  async #repair(): Promise<void> {
    this.#context.stats.repairs += 1;
    const pace = new ReadPace(this.#context.limits.readLimit);
    while (
      !this.#closed &&
      this.head < this.#target &&
      this.#held.get(this.head + 1) === undefined
    ) {
      const upToSeq = this.#target;
      const range = await this.#context.store.readRange({
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
      if (range.lastSeq < upToSeq) this.#forgetBeyond(range.lastSeq, upToSeq);
    }
  }

  #take({ messages, coveredSeq }: MessageRange): void {
    for (const message of messages) this.#deliverRead(message);
    if (this.#closed || coveredSeq <= this.head) return;
    // Rows that are gone (moderation, somebody's clean-up) are no hole: nobody will ever hear them.
    this.head = coveredSeq;
    this.#headId = null;
    this.#held.dropBetween(0, coveredSeq);
  }

  #deliverRead(message: Message): void {
    if (this.#closed) return;
    this.#held.dropBetween(0, message.seq);
    this.#context.stats.repairedMessages += 1;
    this.#deliver(message.seq, message.id, messageFrame(message));
  }

  /** These positions were spoken of, and PostgreSQL did not have them when it was asked. */
  #forgetBeyond(lastSeq: number, askedUpToSeq: number): void {
    this.#held.dropBetween(lastSeq + 1, askedUpToSeq);
    if (this.#target === askedUpToSeq) this.#target = lastSeq;
  }

  async #recheckMembers(): Promise<void> {
    this.#context.stats.recheckedMembers += 1;
    const nextSeq = this.head + 1;
    const next = this.#held.get(nextSeq);
    const version = await this.members.recheck();
    // A version beyond PostgreSQL's own was not one of this conversation, or it is deleted.
    if (next !== undefined && next.membersVersion > version) this.#held.drop(nextSeq);
  }

  /** Asks PostgreSQL whether it still holds what was handed out; opens the room anew where not. */
  async #verify(): Promise<void> {
    const { conversationId, head: seq } = this;
    const cleared = this.#doubts;
    const heard = this.#target;
    this.#context.stats.doubts += 1;
    const known = { conversationId, seq, messageId: this.#headId };
    const now = await this.#context.store.readHead(known);
    if (now === null || now.membersVersion < this.members.version) await this.#recheckMembers();
    if (now === null) this.#forgetBeyond(seq, heard); // The conversation is deleted.
    if (now?.goesOn === false && !this.#closed) await this.#openAnew(now, heard);
    this.#doubts -= cleared; // Those that came up meanwhile want another answer.
  }

  /** @param heard up to where messages were spoken of when PostgreSQL was asked */
  async #openAnew(now: HeadView, heard: number): Promise<void> {
    const { conversationId, head } = this;
    const { lastSeq } = now;
    this.#context.log.warn({ conversationId, head, lastSeq }, 'PostgreSQL went back');
    // Where it has grown over what was lost, nobody knows from where on.
    const afterSeq = lastSeq < head ? lastSeq : 0;
    await this.#context.store.noteLostFuture({ conversationId, afterSeq, upToSeq: head });
    await this.#recheckMembers();
    if (this.#closed) return;
    this.#context.stats.reopened += 1;
    this.members.begin(this.members.version);
    this.era += 1;
    this.head = lastSeq;
    this.#headId = now.lastMessageId;
    this.cursors.forget();
    this.#held.clear();
    this.#target = this.#target > heard ? this.#target : lastSeq;
    const told = eventFrame('resync', { conversation_id: conversationId, last_seq: lastSeq });
    this.#context.publish(this.topic, told);
  }
}
