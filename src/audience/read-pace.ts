/**
 * How many messages to read from PostgreSQL at a time. Their lengths are not known before, and one
 * may be a thousand times another: a first read is small, and from then on each is about as many as
 * have `READ_CHARACTERS` together.
 */
import { READ_CHARACTERS } from '../bounds/audience.ts';
import type { Message } from '../chat/schemas.ts';

const FIRST_READ = 32;
const GROWTH = 4;

/** The pace of one reader, from its first read to its last. */
export class ReadPace {
  /** How many messages to ask for next. */
  batch: number;
  readonly #maxBatch: number;

  /** @param maxBatch the most, however short they are */
  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch;
    this.batch = Math.min(FIRST_READ, maxBatch);
  }

  /** Learns from what a read has brought. */
  read(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    let characters = 0;
    for (const { content } of messages) characters += content.length;
    const fitting = Math.floor((READ_CHARACTERS * messages.length) / Math.max(characters, 1));
    this.batch = Math.max(1, Math.min(fitting, this.batch * GROWTH, this.#maxBatch));
  }

  /** Learns that the reader took only `count` of them and is behind: no more than that next time. */
  took(count: number): void {
    this.batch = Math.max(1, Math.min(this.batch, count));
  }
}
