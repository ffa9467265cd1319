/** Bounds of what nodes say to each other over Redis. */

// bus/redis-bus
/** How often a bus that closes looks whether all of its payloads are confirmed. */
export const CLOSE_POLL_MS = 5;

// bus/redis-sender
// One write of this size is near the best a socket does; larger batches only cost memory.
export const WRITE_BATCH_BYTES = 64 * 1024;

// bus/redis-options
/** The limits of the bus where nothing else is said. */
export const REDIS_BUS_LIMITS = Object.freeze({
  probeIntervalMs: 1000,
  probeTimeoutMs: 2000,
  commandTimeoutMs: 1500,
  maxPendingBytes: 16 * 1024 * 1024,
  maxPayloadBytes: 1024 * 1024,
  reconnectMaxDelayMs: 500,
  subscribeChunkTopics: 500,
  gapIntervalMs: 1000,
});
