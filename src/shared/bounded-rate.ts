/** Bounds how often something is computed that anybody may ask for and that costs something to find out. */

export interface Rate {
  /** Most computations in a window of time. */
  readonly most: number;
  readonly windowMs: number;
}

/**
 * Returns `compute` with its rate bounded. However often it is asked for, it runs one at a time and at most
 * `rate.most` times in a window: who asks while it runs gets the result of that run, and who asks when the
 * window's runs are used up the latest result there is, be it a rejection.
 */
export function atBoundedRate<T>(compute: () => Promise<T>, rate: Rate): () => Promise<T> {
  let latest: Promise<T> | undefined;
  let isRunning = false;
  let runs = 0;
  let windowEndsAtMs = Number.NEGATIVE_INFINITY;

  async function run(): Promise<T> {
    try {
      return await compute();
    } finally {
      isRunning = false;
    }
  }

  return () => {
    if (latest !== undefined && isRunning) return latest;
    const nowMs = performance.now();
    if (nowMs >= windowEndsAtMs) {
      windowEndsAtMs = nowMs + rate.windowMs;
      runs = 0;
    }
    if (latest !== undefined && runs >= rate.most) return latest;
    runs += 1;
    isRunning = true;
    latest = run();
    return latest;
  };
}
