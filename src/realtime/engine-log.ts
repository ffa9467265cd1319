/**
 * What the realtime layer needs of a logger; pino fits. It imports nothing, so that a test can pass
 * an array that collects.
 */

/** Structured logging in pino's shape: an object of facts, then a constant sentence. */
export interface RealtimeLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
