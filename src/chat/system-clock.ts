import type { Clock } from './ports.ts';

/** The `Clock` of the running service: real time. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
