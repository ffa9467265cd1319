/**
 * Nothing lost, doubled or reordered: every client counts the seqs it hears; at the end every client
 * of a room has heard exactly those that were acknowledged there.
 */
import type { Client } from './client.ts';
import type { Faults } from './plan.ts';

export interface Ledger {
  /** A message was heard; true when it was the next one. */
  heard(client: Client, seq: number): void;
  /** A send into `room` was acknowledged. */
  acked(room: number): void;
  refused(why: string): void;
  /** Messages still to be heard by somebody. */
  outstanding(): number;
  close(): Faults;
}

const MAX_NOTES = 10;

export function createLedger(clients: readonly Client[], roomCount: number): Ledger {
  const members = new Array<number>(roomCount).fill(0);
  for (const client of clients) members[client.room] = (members[client.room] ?? 0) + 1;
  const ackedIn = new Array<number>(roomCount).fill(0);
  /** Where each client began. */
  const begunAt = clients.map((client) => client.lastSeq);
  /** Seqs heard before their turn, by client. */
  const early = new Map<number, Set<number>>();
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  let wanted = 0;
  let got = 0;

  function outOfTurn(client: Client, seq: number): void {
    if (seq <= client.lastSeq) {
      faults.doubled += 1;
      got -= 1;
      return;
    }
    faults.reordered += 1;
    const set = early.get(client.index) ?? new Set<number>();
    early.set(client.index, set);
    if (set.has(seq)) {
      faults.doubled += 1;
      got -= 1;
    }
    set.add(seq);
  }

  return {
    heard(client, seq) {
      got += 1;
      client.received += 1;
      if (seq !== client.lastSeq + 1) {
        outOfTurn(client, seq);
        return;
      }
      client.lastSeq = seq;
      const waiting = early.get(client.index);
      while (waiting?.delete(client.lastSeq + 1)) client.lastSeq += 1;
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
      for (const client of clients) {
        const should = (begunAt[client.index] ?? 0) + (ackedIn[client.room] ?? 0);
        const missing = should - client.lastSeq - (early.get(client.index)?.size ?? 0);
        // Fewer than acknowledged is a loss; more is a message whose send nobody was told of.
        if (missing > 0) faults.lost += missing;
        else if (missing < 0) faults.doubled -= missing;
      }
      return faults;
    },
  };
}
