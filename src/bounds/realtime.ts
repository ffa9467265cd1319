/** Bounds of connections, Engine.IO sessions and Socket.IO sockets. */
import { MAX_JSON_NODES } from './shared.ts';

// realtime/connection-cap
/** Least time between two warnings of the cap: a flood of connections shall not become one of lines. */
export const CAP_WARN_INTERVAL_MS = 60_000;

// realtime/engine-drain
/** Between two groups of sessions that are closed when the process drains: 40 clients a second hurt nobody. */
export const DRAIN_STEP_MS = 25;

// realtime/engine-requests
/** More of them in one turn are one client's, sent ahead of their answers. */
export const MAX_VAIN_REQUESTS_IN_TURN = 64;

// realtime/engine-server
/** How long a client that is about to upgrade is kept waiting for a GET with nothing to carry. */
export const UPGRADE_POLL_MS = 50;

// realtime/engine-topics
/**
 * Who hears a topic of more members is answered first: among few, a write saved is much of the work;
 * among many it is nothing, and those whose answer waited until all were written to send their next
 * messages too late to share a write with each other.
 */
export const LARGE_AUDIENCE = 256;

// realtime/engine-websocket
/** No client we know pings a connection that it is trying out; each ping is answered with as much. */
export const MAX_PROBE_PINGS = 8;

// realtime/uws
/** So often another port is tried where any will do. */
export const MAX_PORT_ATTEMPTS = 10;

// realtime/heartbeat
/** Members whose pings are due within this time are pinged together, so that the process wakes up once. */
export const HEARTBEAT_SLOT_MS = 1_000;
/** Who would be one more is pinged a tick later: everybody else waits while pings are written. */
export const PINGS_AT_ONCE = 500;

// realtime/socket-server
/**
 * Limits that fit a chat service; callers override what their configuration names. Each says in
 * `SocketServerLimits` and `EngineLimits` what it is of.
 */
export const SOCKET_SERVER_LIMITS = Object.freeze({
  pingIntervalMs: 25_000,
  pingTimeoutMs: 20_000,
  maxPayloadBytes: 1_000_000,
  connectTimeoutMs: 10_000,
  upgradeTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  attachmentTimeoutMs: 10_000,
  closeTimeoutMs: 10_000,
  maxBackpressureBytes: 1_048_576,
  shedBackpressureBytes: 65_536,
  maxSessions: 100_000,
  strangersShare: 0.1,
  maxEarlyPackets: 32,
  maxEarlyBytes: 16_384,
  maxPollingBufferBytes: 1_048_576,
  maxPayloadPackets: 16_384,
  maxQueryBytes: 8_192,
  maxQueryFields: 64,
  compressThresholdBytes: 1_024,
  maxAttachments: 10,
  maxAttachmentBytes: 4_000_000,
  maxJsonDepth: 256,
  maxJsonNodes: MAX_JSON_NODES,
  maxConnectNodes: 256,
  maxNamespacesPerSession: 8,
  maxNamespaceLength: 128,
  maxEventNameLength: 128,
  maxTopicsPerSocket: 1_000,
  maxPendingAcks: 100,
  ackDeadlineMs: 60_000,
});

// realtime/engine-strangers
/**
 * What the request of a newcomer may take: so many are not counted, or a greedy one would cost all of
 * them their place. How many there are is bounded.
 */
export const FREE_STRANGER_BYTES = 4_096;
