/** Bounds of requests and their answers. */
import { MAX_JSON_NODES } from './shared.ts';

// http/json-body
/** Of the JSON of a body: far above what any call needs, as a new conversation of 256 people has some 260 nodes. */
export const BODY_BOUNDS = Object.freeze({ maxDepth: 64, maxNodes: MAX_JSON_NODES });

// http/open-routes
/** Requests for files that wait, and as many for probes: each costs some 2 KB while it waits. */
export const MAX_WAITING_TURNS = 10_000;

/** Requests: orchestrators, balancers and Prometheus together ask some times a second. */
export const PROBES_PACE = Object.freeze({ burst: 500, perSecond: 2_000 });
/** Requests for files of up to 1.5 MB: opening the documentation or the page takes some ten of them. */
export const FILES_PACE = Object.freeze({ burst: 50, perSecond: 100 });

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
