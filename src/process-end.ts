/**
 * How the process ends.
 *
 * Guarantees: once its ending is created, it ends once, after the given work or at the deadline;
 * what nobody expected (an exception or rejection that no code handles) is logged with its stack and
 * ends it in the same way but sooner, with exit code 1: what it has left behind is not known, but requests
 * and sends that are running still finish. Before that, it is one sentence and exit 1.
 */
import { INSIST_MS, MAX_UNEXPECTED_TOLD, STOP_AFTER_DRAIN_MS } from './bounds/process.ts';
import type { Logger } from './log.ts';
import { reasonOf } from './shared/reason.ts';

export interface Ending {
  /** Whether the process is already ending. */
  begun(): boolean;
  /** Whether it has been ending for so long that whoever orders it again wants it at once. */
  isOverdue(): boolean;
  /** Ends the process. Called again it only makes an exit code of 0 another one. */
  begin(exitCode: number): void;
}

/** Ends a process that does not get to run: with one clear sentence on the terminal, and exit code 1. */
export function refuse(error: unknown): never {
  process.stderr.write(`messaging-service cannot start: ${reasonOf(error)}\n`);
  process.exit(1);
}

// Rejections that nobody handles arrive here too.
let onUnexpected: (error: unknown) => void = refuse;
process.on('uncaughtException', (error) => onUnexpected(error));

/**
 * The one way in which this process ends.
 *
 * @param work what is to be done before the process ends; called once, with how long of it sending connections
 *   away may take, milliseconds
 * @param grace how long that is, and how long when nobody expected the end, also of an end under way
 */
export function createEnding(
  log: Logger,
  work: (graceMs: number) => Promise<void>,
  grace: { graceMs: number; brokenGraceMs: number },
): Ending {
  let begunAtMs: number | null = null;
  let giveUp: NodeJS.Timeout | undefined;
  let giveUpAtMs = Number.POSITIVE_INFINITY;
  let code = 0;
  let unexpected = 0;

  /** Never later than before. */
  function giveUpAfter(graceMs: number): void {
    const dueAtMs = performance.now() + graceMs + STOP_AFTER_DRAIN_MS;
    if (dueAtMs >= giveUpAtMs) return;
    giveUpAtMs = dueAtMs;
    clearTimeout(giveUp);
    giveUp = setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, graceMs + STOP_AFTER_DRAIN_MS);
    giveUp.unref();
  }

  function begin(exitCode: number, graceMs: number): void {
    code = Math.max(code, exitCode);
    if (begunAtMs !== null) return;
    begunAtMs = performance.now();
    giveUpAfter(graceMs);
    work(graceMs).then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  }

  onUnexpected = (error) => {
    unexpected += 1;
    if (unexpected <= MAX_UNEXPECTED_TOLD) {
      log.fatal(
        { err: error },
        'an error nobody expected: finishing what is running, then stopping',
      );
    }
    begin(1, grace.brokenGraceMs);
    // Where the end was under way, with another grace.
    giveUpAfter(grace.brokenGraceMs);
  };
  return {
    begun: () => begunAtMs !== null,
    isOverdue: () => begunAtMs !== null && performance.now() - begunAtMs >= INSIST_MS,
    begin: (exitCode) => begin(exitCode, grace.graceMs),
  };
}
