/**
 * Bytes that come in pieces, gathered in one piece of memory that doubles. A buffer for each piece would
 * cost some 300 bytes however small it is, and whoever sends decides how small.
 */

/** So many pieces may be smaller than `MIN_PIECE_BYTES`: some always are, by chance. */
const FREE_PIECES = 128;
/** The least a piece has on average where nobody means ill: a quarter of the smallest TCP segment. */
const MIN_PIECE_BYTES = 128;
const FIRST_CAPACITY_BYTES = 1_024;

/** The pieces of one body or packet; empty at first. */
export class GatheredBytes {
  /** Bytes gathered so far. */
  bytes = 0;
  /** Bytes of memory that they take up. */
  capacity = 0;
  #pieces = 0;
  #memory: Uint8Array = new Uint8Array(0);

  /**
   * Whether it comes in pieces so small that they are meant to cost more than they carry: each is a
   * call into JavaScript.
   */
  get isShredded(): boolean {
    return isShredded(this.#pieces, this.bytes);
  }

  /** Copies the piece; it is only read during the call. */
  add(piece: ArrayBuffer): void {
    this.#pieces += 1;
    const needed = this.bytes + piece.byteLength;
    if (needed > this.capacity)
      this.#grow(Math.max(needed, 2 * this.capacity, FIRST_CAPACITY_BYTES));
    this.#memory.set(new Uint8Array(piece), this.bytes);
    this.bytes = needed;
  }

  /** Hands over all of the bytes. The memory belongs to the caller afterwards: nothing may be added. */
  take(): Buffer {
    return Buffer.from(this.#memory.buffer, 0, this.bytes);
  }

  #grow(capacity: number): void {
    const memory = new Uint8Array(capacity);
    memory.set(this.#memory.subarray(0, this.bytes));
    this.#memory = memory;
    this.capacity = capacity;
  }
}

/** What `GatheredBytes.isShredded` says, for whoever gathers in another way. */
export function isShredded(pieces: number, bytes: number): boolean {
  return pieces > FREE_PIECES + bytes / MIN_PIECE_BYTES;
}
