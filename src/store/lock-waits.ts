/**
 * How long anything here waits for a lock that somebody else holds: not at all, or and
 * then it lets go of its connection and comes again.
 *
 * What is locked is tried in one order everywhere: at once, without waiting; then once in
 * PostgreSQL's own line, at a bounded number of connections, so that nodes that want the same
 * conversation take turns; then again and again without waiting, after growing pauses. The first is
 * what happens when nobody else is there, the second is for another node, which is done in
 * milliseconds; the third is for a stranger, who may hold the row for minutes.
 */
import { LOCK_PAUSE_FIRST_MS, LOCK_PAUSE_MAX_MS } from '../bounds/store.ts';
import { isServerError } from './link.ts';

const PAUSE_GROWTH = 1.5;

/** The pause after attempt `tries` (1, 2, …) found a lock, with jitter so that rivals do not meet again. */
export function lockPauseMs(tries: number): number {
  return (
    Math.min(LOCK_PAUSE_FIRST_MS * PAUSE_GROWTH ** tries, LOCK_PAUSE_MAX_MS) *
    (0.5 + Math.random() / 2)
  );
}

/** A row that is needed is locked by somebody, and was not waited for. */
export class RowLocked extends Error {
  constructor() {
    super('A row is locked by another transaction');
  }
}

const LOCK_NOT_AVAILABLE = '55P03';

/** Whether work failed, and was undone, because somebody else holds a lock. */
export function isLocked(error: unknown): boolean {
  return error instanceof RowLocked || (isServerError(error) && error.code === LOCK_NOT_AVAILABLE);
}
