/**
 * The order of one room's messages: up to where they have been handed out, which ones came before
 * their turn, and up to where PostgreSQL is said to hold some. It hands out nothing and asks nobody.
 */
import type { CanonicalId } from '../shared/ids.ts';

/** A message that came before its turn. */
export interface HeldMessage {
  id: CanonicalId;
  frame: string | Uint8Array;
  /** The version of the member list that it was committed under. */
  membersVersion: number;
}

/** A message on its way to the members. */
export interface Offer extends HeldMessage {
  seq: number;
}

/** The head while nothing is known: messages are held until PostgreSQL says where the conversation stands. */
const UNKNOWN = -1;

/** The order of one room; made with it. */
export class RoomOrder {
  #head = UNKNOWN;
  #headId: CanonicalId | null = null;
  #target = UNKNOWN;
  // Made with the first message held: most rooms never hold one.
  #held: Map<number, HeldMessage> | undefined;

  /** seq of the last message handed out, or passed over; -1 until `begin`. */
  get head(): number {
    return this.#head;
  }

  /** The message at the head; null when it is not known. */
  get headId(): CanonicalId | null {
    return this.#headId;
  }

  /** PostgreSQL is said to hold messages up to here. */
  get target(): number {
    return this.#target;
  }

  get hasBegun(): boolean {
    return this.#head !== UNKNOWN;
  }

  /** Whether PostgreSQL is said to hold more than was handed out. */
  get isBehind(): boolean {
    return this.#head < this.#target;
  }

  /** The held message whose turn it is, if it is held. */
  get next(): HeldMessage | undefined {
    return this.#held?.get(this.#head + 1);
  }

  /** Whether this is the turn of `seq`, and nothing is held. */
  isTurnOf(seq: number): boolean {
    return seq === this.#head + 1 && this.hasBegun && (this.#held?.size ?? 0) === 0;
  }

  /** Notes where PostgreSQL says that the conversation stands: what comes later is handed out. */
  begin(lastSeq: number, messageId: CanonicalId | null): void {
    this.#head = lastSeq;
    this.#headId = messageId;
    this.expect(lastSeq);
    this.dropUpTo(lastSeq);
  }

  /**
   * Begins again, because PostgreSQL has gone back: what was handed out and held counts no more.
   *
   * @param heard up to where messages were spoken of when PostgreSQL was asked
   */
  beginAnew(lastSeq: number, messageId: CanonicalId | null, heard: number): void {
    this.#head = lastSeq;
    this.#headId = messageId;
    this.#held = undefined;
    if (this.#target <= heard) this.#target = lastSeq;
  }

  /** Notes that PostgreSQL is said to hold messages up to `seq`. */
  expect(seq: number): void {
    if (seq > this.#target) this.#target = seq;
  }

  /** Keeps a message, unless `most` are kept already: then it will be read with the hole. */
  hold(seq: number, message: HeldMessage, most: number): void {
    this.#held ??= new Map();
    if (this.#held.size < most) this.#held.set(seq, message);
  }

  drop(seq: number): void {
    this.#held?.delete(seq);
  }

  dropUpTo(seq: number): void {
    this.#dropBetween(0, seq);
  }

  /** Notes that the message is being handed out. */
  reach(seq: number, messageId: CanonicalId): void {
    this.#head = seq;
    this.#headId = messageId;
    this.expect(seq);
  }

  /** Notes that there is nothing to hand out up to `seq`: those rows are gone. */
  passOver(seq: number): void {
    this.#head = seq;
    this.#headId = null;
    this.dropUpTo(seq);
  }

  /** Gives up positions up to `askedUpToSeq` that were spoken of: PostgreSQL, asked, had none after `lastSeq`. */
  forgetBeyond(lastSeq: number, askedUpToSeq: number): void {
    this.#dropBetween(lastSeq + 1, askedUpToSeq);
    if (this.#target === askedUpToSeq) this.#target = lastSeq;
  }

  clearHeld(): void {
    this.#held = undefined;
  }

  #dropBetween(from: number, to: number): void {
    if (this.#held === undefined) return;
    for (const seq of this.#held.keys()) if (seq >= from && seq <= to) this.#held.delete(seq);
  }
}
