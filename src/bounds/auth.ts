/** Bounds of who somebody is: tokens, and keys fetched for them. */

// auth/key-set
export const KEY_SET_LIMITS = Object.freeze({
  /** Six fetches a minute at most, whatever `kid`s strangers invent; a new key waits no longer than this. */
  cooldownMs: 10_000,
  /** A service in use asks twice a minute, and has a new set before the old one may not be used. */
  refreshAgeMs: 30_000,
  /** With what the authenticator remembers, a key taken back is honoured for two minutes at most. */
  maxAgeMs: 60_000,
  /** An issuer that restarts or is deployed logs nobody out; one that stays away for longer does. */
  maxAgeAwayMs: 300_000,
  /** A set is small: an issuer that takes longer than this is away. */
  timeoutMs: 3_000,
  /** One fetch a second during an outage. */
  retryPauseMs: 1_000,
});

// auth/authenticator
export const AUTHENTICATOR_LIMITS = Object.freeze({
  /** Characters; a header of a request is bounded by 16 KiB anyway. */
  maxTokenLength: 8_192,
  /** Some 200 bytes each. */
  maxCachedTokens: 10_000,
  /** A signature is checked once a minute for a caller, not at each call. */
  cacheTtlMs: 60_000,
  keySet: KEY_SET_LIMITS,
});
