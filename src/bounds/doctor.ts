/** Bounds of what `messaging-service doctor` waits for. */

// doctor/doctor
/** How long connecting to Redis, and each question to it, may take. */
export const REDIS_TRIAL_MS = 3_000;

// doctor/machine-checks
/** Fewer than this is a shell's default and no server's. */
export const FEW_DESCRIPTORS = 4_096;

// doctor/prerequisite-check
/** How long a service that has the port already may take to say who it is. */
export const HEALTH_MS = 2_000;

// doctor/postgres-check
/** How long closing the connection may take. */
export const POSTGRES_END_S = 1;
/** How long one of its questions may take. */
export const STATEMENT_TIMEOUT_MS = 10_000;
