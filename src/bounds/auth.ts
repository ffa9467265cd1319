/** Bounds of who somebody is: tokens, and keys fetched for them. */

// auth/key-set
export const KEY_SET_LIMITS = Object.freeze({
  cooldownMs: 10_000,
  maxAgeMs: 600_000,
  timeoutMs: 3_000,
  retryPauseMs: 1_000,
});

// auth/authenticator
export const AUTHENTICATOR_LIMITS = Object.freeze({
  maxTokenLength: 8_192,
  maxCachedTokens: 10_000,
  cacheTtlMs: 60_000,
  keySet: KEY_SET_LIMITS,
});
