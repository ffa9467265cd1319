/** Bounds of several processes on one port. */

// workers/collection
/** How long a worker may take to tell its figures. */
export const FIGURES_ANSWER_MS = 1_000;

// workers/count
/** Most processes that WORKERS may ask for. */
export const MAX_WORKERS = 64;

// workers/supervisor
/** The first and the longest pause before a worker is started again. */
export const RESTART_FIRST_MS = 100;
export const RESTART_MAX_MS = 10_000;
/** A worker that has lived so long begins with the shortest wait again. */
export const STEADY_MS = 60_000;

// workers/worker-process
/** How long a worker may take from the fork until it listens. */
export const WORKER_START_MS = 60_000;
/** How long after DRAIN_GRACE_MS a worker is killed: before the supervisor's own deadline. */
export const WORKER_STOP_AFTER_DRAIN_MS = 6_000;

// workers/worker-seat
/** Longer than the supervisor waits for the workers. */
export const SCRAPE_MS = 2_000;

// workers/pulse
/** A worker that hangs gets connections until it is killed: for about 5 s. */
export const PULSE_LIMITS = Object.freeze({
  intervalMs: 1_000,
  maxUnanswered: 5,
});
