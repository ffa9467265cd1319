/** Bounds of the figures of the process. */

// metrics/event-loop
/** A scrape sooner after the one before is told the same again: so short a time says nothing. */
export const LEAST_UTILIZATION_SPAN_MS = 1_000;
