/**
 * What one person causes beyond ordinary calls, over all sockets and calls of this process: so much at
 * a time, and so much of the machine's time in a second. What is beyond waits in that person's own
 * line, where it is in nobody else's way; beyond that it is refused.
 *
 * How often somebody may call is not counted here but in user-limits.ts. Here an ordinary call costs
 * nothing; one that is dear by its content is owed for, and while a person owes more than a moment's
 * work, their next calls wait until time has paid for it.
 */
import { LONGEST_DEBT_MS } from '../bounds/limits.ts';
import { ChatError } from '../chat/errors.ts';
import type { PersonalWork } from '../chat/work.ts';
import { afterUnref, createDeadlineTimer } from '../shared/deadline-timer.ts';

export interface WorkLimits {
  /**
   * Most rows that one person's shared questions may ask for at a time; a larger question goes alone.
   */
  maxSharedRows: number;
  /** Most connections of the pool that one person's work has at a time. */
  maxConnections: number;
  /** How many milliseconds of owed work a second pays for. */
  paidMsPerSecond: number;
  /**
   * Most milliseconds of work one may owe without waiting. Who owes more than a quarter of it has one
   * question of each kind under way at a time: what proved to be dear is not asked for side by side.
   */
  maxOwedMs: number;
  /** Most calls of one person that wait. */
  maxWaiting: number;
  /** Longest wait of a call; then it is refused. */
  maxWaitMs: number;
}

/** How many connections of a pool of `poolMax` one person may have: a quarter, so that others find one. */
export const connectionsOfOne = (poolMax: number): number => Math.max(1, Math.floor(poolMax / 4));

export interface WorkStats {
  /** People who owe something, or have something under way or waiting. */
  readonly people: number;
  /** Calls that wait now. */
  readonly waiting: number;
  /** Calls refused since the start. */
  readonly refused: number;
}

export interface WorkLine extends PersonalWork {
  stats(): WorkStats;
  /** Refuses the calls that wait. */
  close(): void;
}

interface Call {
  size: number;
  overdueAtMs: number;
  start: () => void;
  refuse: (error: ChatError) => void;
}

interface Lane {
  readonly capacity: number;
  used: number;
  /** Calls that wait, in the order they came, and so of when they are overdue. */
  line: Call[];
}

interface Person {
  readonly userId: string;
  readonly lanes: { readonly shared: Lane; readonly alone: Lane };
  owedMs: number;
  /** When `owedMs` was true; since then time has paid. */
  owedAtMs: number;
}

/** Who owes more than this share of `maxOwedMs` has one question of each kind under way at a time. */
const ONE_AT_A_TIME = 0.25;
const MS_PER_S = 1_000;

export interface WorkLineDeps {
  limits: WorkLimits;
}

/** The lines of all people of this process. */
export function createWorkLine({ limits }: WorkLineDeps): WorkLine {
  const { maxSharedRows, maxConnections, maxOwedMs, maxWaiting, maxWaitMs } = limits;
  const paidShare = limits.paidMsPerSecond / MS_PER_S;
  const mostOwedMs = maxOwedMs + LONGEST_DEBT_MS * paidShare;
  const people = new Map<string, Person>();
  /** People with calls that wait, by when a debt is paid or a call has waited for too long. */
  const alarms = createDeadlineTimer<Person>({ onDue: advance, after: afterUnref });
  let waiting = 0;
  let refused = 0;

  function personOf(userId: string): Person {
    const known = people.get(userId);
    if (known !== undefined) return known;
    const lane = (capacity: number): Lane => ({ capacity, used: 0, line: [] });
    const lanes = { shared: lane(maxSharedRows), alone: lane(maxConnections) };
    const person: Person = { userId, lanes, owedMs: 0, owedAtMs: 0 };
    people.set(userId, person);
    return person;
  }

  function owes(person: Person, nowMs: number): number {
    if (person.owedMs === 0) return 0;
    person.owedMs = Math.max(0, person.owedMs - (nowMs - person.owedAtMs) * paidShare);
    person.owedAtMs = nowMs;
    return person.owedMs;
  }

  /** For how many milliseconds the person's next call waits for what is owed. */
  const debtMs = (person: Person, nowMs: number): number =>
    Math.max(0, owes(person, nowMs) - maxOwedMs) / paidShare;

  function run<T>(
    userId: string,
    of: 'shared' | 'alone',
    size: number,
    work: () => Promise<T>,
    costMs: (answer: T) => number,
  ): Promise<T> {
    const person = personOf(userId);
    const lane = person.lanes[of];
    const nowMs = performance.now();
    const owesNothing = debtMs(person, nowMs) === 0;
    // Those who waited for this moment come first, whichever lane they are in.
    if (owesNothing) startFitting(person);
    if (owesNothing && lane.line.length === 0 && fits(person, lane, size)) {
      return carryOut(person, lane, size, work, costMs);
    }
    if (person.lanes.shared.line.length + person.lanes.alone.line.length >= maxWaiting) {
      return Promise.reject(refusal(person, nowMs));
    }
    return new Promise((resolve, reject) => {
      const start = (): void => {
        carryOut(person, lane, size, work, costMs).then(resolve, reject);
      };
      lane.line.push({ size, overdueAtMs: nowMs + maxWaitMs, start, refuse: reject });
      waiting += 1;
      watch(person, nowMs);
    });
  }

  async function carryOut<T>(
    person: Person,
    lane: Lane,
    size: number,
    work: () => Promise<T>,
    costMs: (answer: T) => number,
  ): Promise<T> {
    lane.used += size;
    try {
      const answer = await work();
      const cost = costMs(answer);
      // What is owed already is brought up to now first: time pays for nothing in advance.
      const nowMs = performance.now();
      if (cost > 0) {
        person.owedMs = Math.min(owes(person, nowMs) + cost, mostOwedMs);
        person.owedAtMs = nowMs;
      }
      return answer;
    } finally {
      lane.used -= size;
      advance(person);
    }
  }

  function advance(person: Person): void {
    const nowMs = performance.now();
    refuseOverdue(person, nowMs);
    if (debtMs(person, nowMs) === 0) startFitting(person);
    watch(person, nowMs);
  }

  /** A call larger than the lane goes when nothing else of it is under way. */
  const fits = (person: Person, { used, capacity }: Lane, size: number): boolean =>
    used === 0 || (person.owedMs <= maxOwedMs * ONE_AT_A_TIME && used + size <= capacity);

  function startFitting(person: Person): void {
    for (const lane of [person.lanes.alone, person.lanes.shared]) {
      const { line } = lane;
      for (let call = line[0]; call && fits(person, lane, call.size); call = line[0]) {
        line.shift();
        waiting -= 1;
        call.start();
      }
    }
  }

  function refuseOverdue(person: Person, nowMs: number): void {
    const { shared, alone } = person.lanes;
    for (const { line } of [alone, shared]) {
      for (let call = line[0]; call !== undefined && call.overdueAtMs <= nowMs; call = line[0]) {
        line.shift();
        waiting -= 1;
        call.refuse(refusal(person, nowMs));
      }
    }
  }

  /** Looks at the person again when the debt is paid, or the next call has waited for too long. */
  function watch(person: Person, nowMs: number): void {
    const { shared, alone } = person.lanes;
    const first = [shared.line[0], alone.line[0]].filter((call) => call !== undefined);
    if (first.length > 0) {
      const overdueMs = Math.min(...first.map(({ overdueAtMs }) => overdueAtMs - nowMs));
      const debt = debtMs(person, nowMs);
      const afterMs = debt > 0 ? Math.min(debt, overdueMs) : overdueMs;
      alarms.set(person, nowMs + Math.ceil(afterMs));
      return;
    }
    const isIdle = shared.used === 0 && alone.used === 0;
    const owedMs = isIdle ? owes(person, nowMs) : 0;
    if (owedMs > 0) {
      alarms.set(person, nowMs + Math.ceil(owedMs / paidShare));
    } else {
      alarms.delete(person);
      if (isIdle) people.delete(person.userId);
    }
  }

  function refusal(person: Person, nowMs: number): ChatError {
    refused += 1;
    const seconds = Math.max(1, Math.ceil(debtMs(person, nowMs) / MS_PER_S));
    const text = 'Too much of what this person asked for is still under way; slow down.';
    return new ChatError('rate_limited', text, undefined, seconds);
  }

  return {
    shared: (userId, rows, work, costMs = free) =>
      userId === null ? work() : run(userId, 'shared', rows, work, costMs),
    alone: (userId, work, costMs) =>
      userId === null ? work() : run(userId, 'alone', 1, work, costMs),
    stats: () => ({ people: people.size, waiting, refused }),
    close() {
      alarms.clear();
      for (const { lanes } of people.values()) {
        for (const { line } of [lanes.shared, lanes.alone]) {
          for (const { refuse } of line.splice(0)) {
            refuse(new ChatError('unavailable', 'This node is going down; another one answers.'));
          }
        }
      }
      people.clear();
      waiting = 0;
    },
  };
}

const free = (): number => 0;
