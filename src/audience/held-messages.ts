/** Messages of one room that came before their turn. Most rooms never hold one. */

export interface HeldMessage {
  id: string;
  frame: string | Uint8Array;
  /** The version of the member list that it was committed under. */
  membersVersion: number;
}

export class HeldMessages {
  #bySeq: Map<number, HeldMessage> | undefined;

  get isEmpty(): boolean {
    return this.#bySeq === undefined || this.#bySeq.size === 0;
  }

  /** Keeps the message, unless `most` are kept already: then it will be read with the hole. */
  hold(seq: number, message: HeldMessage, most: number): void {
    this.#bySeq ??= new Map();
    if (this.#bySeq.size < most) this.#bySeq.set(seq, message);
  }

  get(seq: number): HeldMessage | undefined {
    return this.#bySeq?.get(seq);
  }

  drop(seq: number): void {
    this.#bySeq?.delete(seq);
  }

  /** Drops what stands at these positions or between them. */
  dropBetween(from: number, to: number): void {
    if (this.#bySeq === undefined) return;
    for (const seq of this.#bySeq.keys()) if (seq >= from && seq <= to) this.#bySeq.delete(seq);
  }

  clear(): void {
    this.#bySeq = undefined;
  }
}
