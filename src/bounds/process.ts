/** Bounds of the process: its files, its log, its settings, its end. */
import { WRITER_CONNECTIONS } from './store.ts';

// descriptors
/** The process itself: about 25, and files that are read, names asked for, key sets fetched. */
export const PROCESS_RESERVE = 48;
/** Connections to PostgreSQL besides the pool: the writer's, and two that open before an old one is closed. */
export const CONNECTIONS_BESIDES_POOL = WRITER_CONNECTIONS + 2;
/** Four links, each of which may be replaced before it is closed. */
export const REDIS_RESERVE = 8;
/** Places for requests while sessions have all of theirs: a share of the connections, and at most. */
export const REQUESTS_SHARE = 1 / 8;
export const MAX_REQUESTS_RESERVE = 256;
/** Least connections for clients: with fewer there is no service. */
export const MIN_CLIENT_CONNECTIONS = 16;

// draining
/** How long commands and messages taken on may take once all sockets have been sent away. */
export const SENDS_FINISH_MS = 3_000;
/** How much longer requests under way may take: they have the writer's last word to pass on. */
export const REQUESTS_FINISH_MS = 1_000;
/** How long queries under way, and what other nodes are told last, may take when the process ends. */
export const POOL_CLOSE_MS = 1_000;

// log
/** How deep causes, and fields of a line, are followed; how many errors of one error are shown. */
export const MAX_LOGGED_DEPTH = 5;
/** Characters of one text in the log. */
export const MAX_LOGGED_TEXT_LENGTH = 1_000;

// other-nodes
/** Least size of payloads taken from the bus: what others publish must fit while settings differ between nodes. */
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
/**
 * Whatever hangs, the process is gone so long after DRAIN_GRACE_MS: with its default that is 9.5 s, and
 * orchestrators kill after 10 s. For sends, requests, the pool and the embedded PostgreSQL, which do not
 * all need their time at once.
 */
export const STOP_AFTER_DRAIN_MS = 6_500;
/** What DRAIN_GRACE_MS is at most where an error that nobody expected ends a process that serves: it is broken. */
export const BROKEN_GRACE_MS = 3_000;
/** A signal so long after the first is somebody who does not want to wait; before that, it is the same told twice. */
export const INSIST_MS = 1_000;
/** Most further errors told after one that nobody expected, instead of an endless row. */
export const MAX_UNEXPECTED_TOLD = 10;

// service
/** How long the embedded PostgreSQL may take when the process ends. */
export const EMBEDDED_STOP_MS = 3_000;
