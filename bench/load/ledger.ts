/**
 * Nothing lost, doubled or reordered: every client counts the seqs it hears; at the end every client
 * of a room has heard exactly those that were acknowledged there.
 */
import type { Faults } from './plan.ts';

/** Somebody in a room; a client in one room is one itself. */
export interface Hearer {
  index: number;
  room: number;
  lastSeq: number;
  received: number;
}

export interface Ledger {
  /** A message was heard; true when it was the next one. */
  heard(hearer: Hearer, seq: number): void;
  /** A send into `room` was acknowledged. */
  acked(room: number): void;
  refused(why: string): void;
  /** Messages still to be heard by somebody. */
  outstanding(): number;
  close(): Faults;
}

const MAX_NOTES = 10;

export function createLedger(hearers: readonly Hearer[], roomCount: number): Ledger {
  const members = new Array<number>(roomCount).fill(0);
  for (const hearer of hearers) members[hearer.room] = (members[hearer.room] ?? 0) + 1;
  const ackedIn = new Array<number>(roomCount).fill(0);
  /** Where each began. */
  const begunAt = hearers.map((hearer) => hearer.lastSeq);
  /** Seqs heard before their turn, by hearer. */
  const early = new Map<number, Set<number>>();
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  let wanted = 0;
  let got = 0;

  function outOfTurn(hearer: Hearer, seq: number): void {
    if (seq <= hearer.lastSeq) {
      faults.doubled += 1;
      got -= 1;
      return;
    }
    faults.reordered += 1;
    const set = early.get(hearer.index) ?? new Set<number>();
    early.set(hearer.index, set);
    if (set.has(seq)) {
      faults.doubled += 1;
      got -= 1;
    }
    set.add(seq);
  }

  return {
    heard(hearer, seq) {
      got += 1;
      hearer.received += 1;
      if (seq !== hearer.lastSeq + 1) {
        outOfTurn(hearer, seq);
        return;
      }
      hearer.lastSeq = seq;
      const waiting = early.get(hearer.index);
      while (waiting?.delete(hearer.lastSeq + 1)) hearer.lastSeq += 1;
    },
    acked(room) {
      ackedIn[room] = (ackedIn[room] ?? 0) + 1;
      wanted += members[room] ?? 0;
    },
    refused(why) {
      faults.refused += 1;
      if (faults.notes.length < MAX_NOTES) faults.notes.push(why);
    },
    outstanding: () => wanted - got,
    close() {
      for (const hearer of hearers) {
        const should = (begunAt[hearer.index] ?? 0) + (ackedIn[hearer.room] ?? 0);
        const missing = should - hearer.lastSeq - (early.get(hearer.index)?.size ?? 0);
        // Fewer than acknowledged is a loss; more is a message whose send nobody was told of.
        if (missing > 0) faults.lost += missing;
        else if (missing < 0) faults.doubled -= missing;
      }
      return faults;
    },
  };
}
