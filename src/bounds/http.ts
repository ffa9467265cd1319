/** Bounds of requests and their answers. */

// http/open-routes
/** Requests for files that wait, and as many for probes: each costs some 2 KB while it waits. */
export const MAX_WAITING_TURNS = 10_000;

// http/page-routes
/** Characters of the name of somebody who is made up on the page. */
export const MAX_DEMO_NAME_LENGTH = 60;
/** How long a browser is to ask by TLS alone (Strict-Transport-Security): half a year. */
export const STRICT_FOR_S = 15_552_000;

// http/uws-bridge
/** Most bytes one answer may hold for a client that reads slowly. */
export const MAX_BUFFERED_ANSWER_BYTES = 16 * 1024 * 1024;
/** How long a request may take from its head to the end of its body. */
export const BODY_TIMEOUT_MS = 30_000;
