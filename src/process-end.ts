/**
 * How the process ends.
 *
 * Guarantees: once its ending is created, it ends once, after the given work or at the deadline;
 * what nobody expected (an exception or rejection that no code handles) is logged with its stack and
 * ends it in the same way, with exit code 1: what it has left behind is not known, but requests and
 * sends that are running still finish. Before that, it is one sentence and exit 1.
 */
import { MAX_UNEXPECTED_TOLD, STOP_AFTER_DRAIN_MS } from './bounds/process.ts';
import type { Logger } from './log.ts';
import { reasonOf } from './shared/reason.ts';

export interface Ending {
  /** Whether the process is already ending. */
  begun(): boolean;
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
 * @param work what is to be done before the process ends; called once
 * @param graceMs how long of it sending connections away may take, milliseconds
 */
export function createEnding(
  log: Logger,
  work: () => Promise<void>,
  { graceMs }: { graceMs: number },
): Ending {
  let begun = false;
  let code = 0;
  let unexpected = 0;

  function begin(exitCode: number): void {
    code = Math.max(code, exitCode);
    if (begun) return;
    begun = true;
    const giveUp = setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, graceMs + STOP_AFTER_DRAIN_MS);
    giveUp.unref();
    work().then(
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
    begin(1);
  };
  return { begun: () => begun, begin };
}
