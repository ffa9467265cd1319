/** Bounds of connections to Redis, and the verdict on it. */

// redis/connection
/** How long connecting, and any one command, may take where nothing else is said. */
export const REDIS_TIMEOUT_MS = 1_000;
/** So long after a command without a byte, nobody is there any more, though nobody has closed. */
export const SILENCE_FACTOR = 3;

// redis/retry
/** The first pause before another attempt; each further one is twice as long. */
export const FIRST_PAUSE_MS = 50;
/** So often the pause is doubled at most. */
export const MAX_DOUBLINGS = 16;

// redis/server
/** How often the server is asked whether it is still the right one. */
export const REDIS_CHECK_MS = 1_000;
/** The longest pause between attempts to connect. */
export const REDIS_RETRY_MAX_MS = 1_000;

// redis/verdict
/** The trial write is forgotten by itself. */
export const TRIAL_LIFE_MS = 10_000;
