/** Connecting many, so many at a time. */

export interface Turns {
  /**
   * Begins them, by number; each that is done lets the next one begin.
   *
   * @throws Error when one fails, or the time is over
   */
  run(begin: (index: number) => void): Promise<void>;
  done(): void;
  /** Of no effect once all are done. */
  fail(why: string): void;
}

export function createTurns({
  count,
  concurrency,
  timeoutMs,
}: {
  count: number;
  concurrency: number;
  timeoutMs: number;
}): Turns {
  let begun = 0;
  let done = 0;
  let next = (): void => undefined;
  let settle = { resolve: (): void => undefined, reject: (_error: Error): void => undefined };
  const fail = (why: string): void =>
    settle.reject(new Error(`${done} of ${count} joined: ${why}`));
  return {
    async run(begin) {
      const timer = setTimeout(() => fail('the time is over'), timeoutMs);
      try {
        await new Promise<void>((resolve, reject) => {
          settle = { resolve, reject };
          next = () => {
            if (begun === count) return;
            begun += 1;
            begin(begun - 1);
          };
          for (let i = 0; i < concurrency; i += 1) next();
        });
      } finally {
        clearTimeout(timer);
      }
    },
    done() {
      done += 1;
      if (done === count) settle.resolve();
      else next();
    },
    fail,
  };
}
