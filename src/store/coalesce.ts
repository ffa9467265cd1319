/**
 * Many equal questions of one moment become one query: calls that arrive in the same turn of the
 * event loop, within `paceMs` of the query before, or while the allowed number of queries is in
 * flight, share the next one. A call after a pause goes at once.
 *
 * Guarantees: a call is answered by a query that began after the call, so it never sees an older
 * state than a query of its own would; no more than `maxWaiting` calls wait, and each is settled within
 * `maxWaitMs`, its query included; one query carries at most `maxBatch` (one heavier call goes alone). When the
 * database is away nobody waits for several deadlines in a row: those in line hear it with those whose
 * query failed. A question that breaks its query breaks no other: they are asked again one by one.
 */
import { ChatError } from '../chat/errors.ts';
import { afterUnref, createDeadlineTimer } from '../shared/deadline-timer.ts';
import { DatabaseUnavailable } from './link.ts';

export interface CoalescerDeps<Question, Answer> {
  /** Most weight of questions in one query. */
  maxBatch: number;
  /** Most queries at once. */
  maxInFlight: number;
  /**
   * Shortest time from the start of one query to that of the next: a query costs this process more
   * than the questions in it do.
   */
  paceMs: number;
  /** Most calls in line; more reject with ChatError('unavailable'). */
  maxWaiting: number;
  /** Longest time from a call to its answer; then it rejects with ChatError('unavailable'). */
  maxWaitMs: number;
  /** What a question adds to its query, such as rows; 1 when left out. */
  weigh?: (question: Question) => number;
  /** Answers in the order of the questions. */
  run: (questions: Question[]) => Promise<Answer[]>;
}

interface Call<Question, Answer> {
  question: Question;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

/** Returns the function that asks. Its errors are those of `run`, and `unavailable` when full. */
export function createCoalescer<Question, Answer>(
  deps: CoalescerDeps<Question, Answer>,
): (question: Question) => Promise<Answer> {
  const { maxBatch, maxInFlight, paceMs, maxWaiting, maxWaitMs, weigh, run } = deps;
  let line: Call<Question, Answer>[] = [];
  let inFlight = 0;
  let scheduled = false;
  let nextAtMs = 0;
  /** Calls in line or in flight. When one is overdue, most before it are long answered. */
  const unanswered = createDeadlineTimer<Call<Question, Answer>>({
    onDue: rejectOverdue,
    after: afterUnref,
  });

  function schedule(): void {
    if (scheduled || inFlight >= maxInFlight || line.length === 0) return;
    scheduled = true;
    const earlyMs = nextAtMs - performance.now();
    if (earlyMs > 0) setTimeout(go, earlyMs);
    else setImmediate(go);
  }

  function go(): void {
    scheduled = false;
    if (line.length === 0) return; // They have been told meanwhile that the database is away.
    nextAtMs = performance.now() + paceMs;
    void dispatch(takeBatch());
    schedule();
  }

  function takeBatch(): Call<Question, Answer>[] {
    let count = 0;
    let weight = 0;
    for (const { question } of line) {
      weight += weigh === undefined ? 1 : weigh(question);
      if (weight > maxBatch && count > 0) break;
      count += 1;
    }
    const batch = line.slice(0, count);
    line = line.slice(count);
    return batch;
  }

  async function dispatch(batch: Call<Question, Answer>[]): Promise<void> {
    inFlight += 1;
    try {
      const answers = await run(batch.map(({ question }) => question));
      if (answers.length !== batch.length) throw new Error('A shared query lost an answer');
      // The length was just checked: the index is within it.
      for (const [index, call] of batch.entries()) call.resolve(answers[index] as Answer);
    } catch (error) {
      if (batch.length > 1 && !(error instanceof ChatError)) await answerSingly(batch);
      else for (const call of batch) call.reject(error);
      if (isAway(error)) rejectLine(error);
    } finally {
      for (const call of batch) unanswered.delete(call);
      inFlight -= 1;
      schedule();
    }
  }

  /** Asks one by one: one of these questions cannot be answered, perhaps for a damaged row; which is not known. */
  async function answerSingly(batch: Call<Question, Answer>[]): Promise<void> {
    let away: unknown;
    for (const call of batch) {
      if (!unanswered.has(call)) continue; // It has been told meanwhile.
      if (away !== undefined) {
        call.reject(away);
        continue;
      }
      try {
        // One question has one answer.
        const [answer] = await run([call.question]);
        call.resolve(answer as Answer);
      } catch (error) {
        call.reject(error);
        if (isAway(error)) away = error;
      }
    }
  }

  /** An answer that comes after all changes nothing any more. */
  function rejectOverdue(call: Call<Question, Answer>): void {
    call.reject(crowded());
    // Those in line are the youngest, so the first of them is overdue before the others.
    if (line[0] === call) line.shift();
  }

  function rejectLine(error: unknown): void {
    const waiting = line;
    line = [];
    for (const call of waiting) {
      unanswered.delete(call);
      call.reject(error);
    }
  }

  return (question) => {
    if (line.length >= maxWaiting) {
      return Promise.reject(crowded());
    }
    return new Promise((resolve, reject) => {
      const call = { question, resolve, reject };
      line.push(call);
      unanswered.set(call, performance.now() + maxWaitMs);
      schedule();
    });
  };
}

const crowded = (): ChatError =>
  new ChatError('unavailable', 'Too many requests are waiting for the database.');

/** Whether the next query would fail alike: not when only this one was too much for the server. */
function isAway(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return error.reason !== 'overloaded';
  return error instanceof ChatError && error.code === 'unavailable';
}
