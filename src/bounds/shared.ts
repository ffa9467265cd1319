/** Bounds of what several layers have in common. */

// shared/deadline-timer
/** Deadlines seen to in one turn of the event loop; the rest have the next one. */
export const MAX_DEADLINES_PER_TURN = 500;

// shared/memory-budget
/** Bytes held for clients in all; the default of MAX_HELD_BYTES. */
export const DEFAULT_MAX_HELD_BYTES = 67_108_864;

// realtime/uws
/**
 * Bytes of request line and header fields that uWebSockets.js collects when they arrive in several
 * packets; its own 4 KiB are little beside a token and some cookies. As Node's default.
 */
export const MAX_HEADER_BYTES = 16_384;

// http/json-body, realtime/socket-server
/** Nodes of one JSON text, as `JsonBounds` counts them: 64 bytes each at worst, so 640 KB. */
export const MAX_JSON_NODES = 10_000;

// shared/cors
/** How long a browser may remember a preflight: the longest that every one of them takes. */
export const PREFLIGHT_MAX_AGE_S = 600;

// shared/postgres-url, store/connect
/** PostgreSQL's port where none is named. */
export const POSTGRES_PORT = 5_432;
