/** Bounds of the process: its files, its log, its settings, its end. */

// descriptors
/** The process itself: about 25, and files that are read, names asked for, key sets fetched. */
export const PROCESS_RESERVE = 48;
/** Of PostgreSQL, in one process: the writer's, and what opens before what it replaces is closed. */
export const CONNECTIONS_BESIDES_POOL = 5;
/** Four links, each of which may be replaced before it is closed. */
export const REDIS_RESERVE = 8;
/** Places for requests while sessions have all of theirs: a share of the connections, and at most. */
export const REQUESTS_SHARE = 1 / 8;
export const MAX_REQUESTS_RESERVE = 256;
/** Fewer connections are no service. */
export const MIN_CLIENT_CONNECTIONS = 16;

// draining
/** At the end: how long messages taken on, and then requests under way, may take. */
export const SENDS_FINISH_MS = 3_000;
export const REQUESTS_FINISH_MS = 3_000;
/** At the end: how long queries under way may take. */
export const POOL_CLOSE_MS = 1_000;

// log
/** How deep causes, and fields of a line, are followed; how many errors of one error are shown. */
export const MAX_LOGGED_DEPTH = 5;
/** Characters of one text in the log. */
export const MAX_LOGGED_TEXT_LENGTH = 1_000;

// other-nodes
/** What others publish must fit too while settings differ from node to node. */
export const MIN_BUS_PAYLOAD_BYTES = 1_048_576;

// config-rules
/** Other kinds of envelope than messages: a conversation of 256 people with their names. */
export const MIN_ENVELOPE_BYTES = 262_144;
/** Shorter than this a secret can be guessed. */
export const MIN_SERVICE_TOKEN_LENGTH = 24;
export const MIN_METRICS_TOKEN_LENGTH = 16;

// config
/** A packet may become some times its bytes, and there are others. */
export const MIN_HELD_PAYLOADS = 4;

// process-end
/** Whatever hangs, the process is gone by then: orchestrators kill after 10 s. */
export const STOP_DEADLINE_MS = 9_500;
/** What follows an error that nobody expected is told so often, not in an endless row. */
export const MAX_UNEXPECTED_TOLD = 10;

// service
/** At the end: how long the embedded PostgreSQL may take. */
export const EMBEDDED_STOP_MS = 3_000;
