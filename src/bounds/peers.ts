/** Bounds of what passes from one process of the deployment to another. */

// peers/peers
/** Two processes of one network; one that is too busy to accept within it is as good as gone. */
export const PEER_CONNECT_MS = 3_000;
/** How much later an answer may come than the other process would give up by itself. */
export const PEER_SLACK_MS = 5_000;
/** A single frame may be longer than a payload: the conversation of 256 people with their names. */
export const MIN_ANSWER_BYTES = 1_048_576;
/** Less than the 10 s after which uWebSockets.js closes an idle connection. */
export const PEER_KEEP_IDLE_MS = 5_000;

// peers/registry
/** How long after it was last said it is remembered where a process is to be found. */
export const ENTRY_LIFE_SECONDS = 30;
/** How often it is said again: a third of its life, so that one failure does no harm. */
export const ENTRY_REFRESH_MS = 10_000;
/** How long after a failure it is said again. */
export const ENTRY_RETRY_MS = 1_000;
/** A start waits no longer for a Redis that is away. */
export const ENTRY_FIRST_CHECK_MS = 1_000;
/** A found address is asked for again after so long; a tag that nobody had, sooner. */
export const KNOWN_PEER_MS = 5_000;
export const ABSENT_PEER_MS = 1_000;
/** Processes whose address is remembered, and tags that nobody had. */
export const MAX_KNOWN_PEERS = 1_000;
export const MAX_ABSENT_PEERS = 10_000;
/** Questions to Redis under way; with so many, a tag that is not known is nobody's. */
export const MAX_PEER_LOOKUPS = 1_000;
