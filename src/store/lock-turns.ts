/**
 * Work that needs locks, on connections that others want as well: one at a time for each thing that
 * is locked, and what somebody else has locked waits here, without a connection, until it is tried
 * again. In which order things are tried: see lock-waits.
 *
 * Guarantees: calls under one key never hold more than one connection together; all calls that were
 * locked before hold no more than `seats`; each settles by its deadline.
 */
import { LOCK_WAIT_MS } from '../bounds/store.ts';
import { createDeadlineTimer } from '../shared/deadline-timer.ts';
import { DatabaseUnavailable } from './link.ts';
import { isLocked, lockPauseMs, RowLocked } from './lock-waits.ts';

export interface LockTurnsLimits {
  /** Most connections used at once by calls that were locked when they tried before. */
  seats: number;
  /** Most calls waiting for their turn; more are refused. */
  maxWaiting: number;
  /** Most calls waiting for their turn under one key. */
  maxWaitingOnKey: number;
}

export interface LockTurns {
  /**
   * Settles with `attempt`, which is made again while it fails because something is locked; `waits`
   * says whether it may wait for a row. Rejects with DatabaseUnavailable when the deadline (on the
   * clock of `performance.now()`) comes first, or too many wait.
   *
   * @param key what the work locks; null when that is nobody else's
   */
  run<T>(
    key: string | null,
    deadlineAt: number,
    attempt: (waits: boolean) => Promise<T>,
  ): Promise<T>;
  waiting(): number;
  /** Sends everybody who waits on, to find that the time is over. */
  close(): void;
}

interface Gate {
  free: number;
  waiting: Set<(granted: boolean) => void>;
}

/** The turns of one key, while there are calls under it. */
interface Turn extends Gate {
  calls: number;
  /** How often in a row the thing itself was found locked, by whichever call. */
  tries: number;
  nextAt: number;
}

/** So much of a call's time has to be left for an attempt: a missed deadline costs the connection. */
const ATTEMPT_ROOM_MS = 4 * LOCK_WAIT_MS;

/** The turns of one process's pool. */
export function createLockTurns(limits: LockTurnsLimits): LockTurns {
  const { seats, maxWaiting, maxWaitingOnKey } = limits;
  const turns = new Map<string, Turn>();
  const seating: Gate = { free: seats, waiting: new Set() };
  /** End the waits and pauses under way. */
  const endings = createDeadlineTimer<() => void>({ onDue: (end) => end() });
  let closed = false;

  async function run<T>(
    key: string | null,
    deadlineAt: number,
    attempt: (waits: boolean) => Promise<T>,
  ): Promise<T> {
    if (key === null) return inTurn(null, deadlineAt, attempt);
    let turn = turns.get(key);
    if (turn === undefined) {
      turn = { free: 1, waiting: new Set(), calls: 0, tries: 0, nextAt: 0 };
      turns.set(key, turn);
    }
    turn.calls += 1;
    try {
      return await inTurn(turn, deadlineAt, attempt);
    } finally {
      turn.calls -= 1;
      if (turn.calls === 0) turns.delete(key);
    }
  }

  async function inTurn<T>(
    turn: Turn | null,
    deadlineAt: number,
    attempt: (waits: boolean) => Promise<T>,
  ): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      if (turn !== null) await enter(turn, deadlineAt, maxWaitingOnKey);
      const waits = turn?.tries === 1;
      let locked: unknown;
      let pauseMs = 0;
      try {
        if (turn !== null) await pauseUntil(turn.nextAt);
        const isFirst = tries === 0 && (turn === null || turn.tries === 0);
        const value = isFirst ? await attempt(false) : await seated(deadlineAt, attempt, waits);
        if (turn !== null) turn.tries = 0;
        return value;
      } catch (error) {
        if (!isLocked(error)) throw error;
        locked = error;
        // Whoever comes next finds it locked too, or it is something that this call alone needs.
        if (turn !== null && (waits || error instanceof RowLocked)) foundLocked(turn);
        else pauseMs = lockPauseMs(tries + 1);
      } finally {
        if (turn !== null) leave(turn);
      }
      await pauseUntil(performance.now() + pauseMs);
      if (closed || deadlineAt - performance.now() < ATTEMPT_ROOM_MS) {
        throw new DatabaseUnavailable('overloaded', locked);
      }
    }
  }

  function foundLocked(turn: Turn): void {
    turn.tries += 1;
    // The next one waits in PostgreSQL.
    turn.nextAt = turn.tries === 1 ? 0 : performance.now() + lockPauseMs(turn.tries);
  }

  async function seated<T>(
    deadlineAt: number,
    attempt: (waits: boolean) => Promise<T>,
    waits: boolean,
  ): Promise<T> {
    await enter(seating, deadlineAt, maxWaiting);
    try {
      if (deadlineAt - performance.now() < ATTEMPT_ROOM_MS) {
        throw new DatabaseUnavailable('crowded');
      }
      return await attempt(waits);
    } finally {
      leave(seating);
    }
  }

  /** Rejects when the gate does not open in time, or too many wait at it. */
  async function enter(gate: Gate, deadlineAt: number, most: number): Promise<void> {
    if (gate.free > 0) {
      gate.free -= 1;
      return;
    }
    const full = endings.size >= maxWaiting || gate.waiting.size >= most;
    if (closed || full || !(await granted(gate, deadlineAt))) {
      throw new DatabaseUnavailable('crowded');
    }
  }

  function granted(gate: Gate, deadlineAt: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (yes: boolean): void => {
        gate.waiting.delete(done);
        endings.delete(refuse);
        resolve(yes);
      };
      const refuse = (): void => done(false);
      gate.waiting.add(done);
      endings.set(refuse, deadlineAt);
    });
  }

  function leave(gate: Gate): void {
    gate.free += 1;
    const [next] = gate.waiting;
    if (next === undefined) return;
    gate.free -= 1;
    next(true);
  }

  function pauseUntil(at: number): Promise<void> | undefined {
    if (at <= performance.now() || closed) return undefined;
    return new Promise((resolve) => {
      endings.set(resolve, at);
    });
  }

  return {
    run,
    waiting: () => endings.size,
    close: () => {
      closed = true;
      for (const end of endings.items()) end();
      endings.clear();
    },
  };
}
