/** Bounds of the PostgreSQL beside the process. */

// embedded/account
/** How long a command that makes or asks for an account may take. */
export const ACCOUNT_COMMAND_MS = 10_000;

// embedded/cluster
/** How long `initdb` and the like may take on a slow disk. */
export const CLUSTER_COMMAND_MS = 120_000;
/** Lines of output kept for an error message. */
export const MAX_KEPT_LINES = 200;
/** How long an orphaned postmaster may take after each of the harder signals. */
export const CLUSTER_QUIT_MS = 5_000;

// embedded/embedded-postgres
/** How long PostgreSQL may take to start: recovery after a crash replays at most about a gigabyte of WAL. */
export const START_MS = 60_000;
/** Least connections it takes: those of a service, and of somebody who looks at its database. */
export const MIN_EMBEDDED_CONNECTIONS = 50;

// embedded/owner-lock
/** Rounds of finding and clearing a stale lock before giving up; each lost round means a rival. */
export const MAX_LOCK_ATTEMPTS = 5;

// embedded/postmaster
/** How long the immediate shutdown, after the bounded fast one, may take before SIGKILL. */
export const POSTMASTER_QUIT_MS = 2_000;

// embedded/processes
/** How often it is asked whether a process has ended. */
export const PROCESS_POLL_MS = 20;
/** How long the command `ps` may take. */
export const PS_MS = 5_000;

// embedded/socket-directory
/** Of the path of a Unix socket: macOS and the BSDs take 103 bytes, Linux 107 (`sun_path` and its NUL). */
export const MAX_SOCKET_PATH_BYTES = 103;
