/**
 * Judges a history against the promise: stored, in one gapless order, once, to participants only.
 * Pure; it knows nothing of the faults that were running. Empty means that it holds.
 */
import { checkStorage } from './check-storage.ts';
import { checkStreams } from './check-streams.ts';
import type { History, Table, Violation } from './history.ts';
import { createMembers } from './members.ts';

export function checkHistory(history: History, table: Table): Violation[] {
  const members = createMembers(history, table);
  return [...checkStorage(history, table, members), ...checkStreams(history, table, members)];
}
