/** Bounds of what one person, address or connection may do. */

// limits/attempts
/** Attempts of one address that may wait for others of it; keys that must be fetched make them wait. */
export const MAX_WAITING_ATTEMPTS = 10_000;

// limits/fixed-window
/** Keys remembered in one window: some 10 MB where each of them is an IPv6 network. */
export const MAX_COUNTED_KEYS = 100_000;

// limits/packet-limit
/** So many times over its limit, a connection is not slow to learn but hostile or broken. */
export const FLOOD_FACTOR = 10;

// limits/user-limits
/** A Redis that does not answer by then is counted without. */
export const SHARED_COUNT_MS = 250;
/** People over their limit who are remembered, so that Redis is not asked about them again. */
export const MAX_REMEMBERED_SPENT = 10_000;

// limits/work-line
export const WORK_LIMITS = Object.freeze({
  // 20 pages of 50 messages, or 200 joins.
  maxSharedRows: 1_000,
  maxConnections: 2,
  paidMsPerSecond: 250,
  maxOwedMs: 250,
  maxWaiting: 2_000,
  maxWaitMs: 5_000,
});
/** A debt that would hold a person up for longer than this is remitted: they have long understood. */
export const LONGEST_DEBT_MS = 3_000;
