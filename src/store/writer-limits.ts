/** What bounds the writer. */

export interface WriterLimits {
  /** Most messages not yet answered. */
  maxQueue: number;
  /** Most memory they may hold, roughly. */
  maxQueueBytes: number;
  /** Most messages that wait behind those of one conversation that somebody else has locked. */
  maxBehindLocked: number;
  /** Most messages in one transaction. */
  maxBatch: number;
  /** Most memory they may hold, roughly: what an attempt can carry well before its deadline. */
  maxBatchBytes: number;
  /** Connections, and so transactions at a time. */
  lanes: number;
  /** Longest time from call to answer. */
  sendDeadlineMs: number;
  /** Longest wait for one attempt; short enough for another to find out what the first one did. */
  attemptDeadlineMs: number;
}
