/** Waiting no longer than one wants to. */

/** Resolves when `work` has ended, in whatever way, or after `deadlineMs`. */
export function within(work: Promise<void>, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, deadlineMs);
    const ended = (): void => {
      clearTimeout(timer);
      resolve();
    };
    // Not `finally`: what it returns would reject with the work, and nobody would hear that.
    work.then(ended, ended);
  });
}

/** What `work` resolves with, or undefined after `deadlineMs`; rejects with it before that. */
export function inTime<T>(work: Promise<T>, deadlineMs: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), deadlineMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
