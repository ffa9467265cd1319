/** What bounds the Redis bus, what it counts, and what it needs from outside. */
import type { RedisServer } from '../redis/server.ts';
import type { Beat } from '../shared/beat.ts';

export interface RedisBusLimits {
  /** How often the link is probed. */
  probeIntervalMs: number;
  /** How long after the last proof the link counts as dead; more than the interval. */
  probeTimeoutMs: number;
  /** How long connecting, one command, and a `subscribe` may take. */
  commandTimeoutMs: number;
  /** The most bytes handed to Redis and not confirmed; beyond it payloads are dropped. */
  maxPendingBytes: number;
  /** The largest payload sent or accepted. */
  maxPayloadBytes: number;
  /** The longest pause between attempts to connect. */
  reconnectMaxDelayMs: number;
  /** The most topics in one SUBSCRIBE. */
  subscribeChunkTopics: number;
  /** The least time between gap notices while the link stays up. */
  gapIntervalMs: number;
}

export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RedisBusDeps {
  /** The Redis server of the process, which also judges whether it is the right one. */
  server: Pick<RedisServer, 'open' | 'status' | 'onUp' | 'onDown'>;
  /** Stands before every channel name, so that deployments can share a Redis. */
  prefix: string;
  /** Names the database that this node talks to: part of every channel name. */
  epoch: string;
  /** This node's name, unique per process start; 1 to 64 printable ASCII characters. */
  nodeId: string;
  /** When the link is probed. */
  beat: Beat;
  log: BusLog;
  limits: RedisBusLimits;
}

export interface RedisBusStats {
  published: number;
  received: number;
  /** Payloads of this node that went nowhere, by cause. */
  dropped: { linkDown: number; overBound: number; tooLarge: number; unconfirmed: number };
  /** Payloads heard that were not of this protocol, or too large. */
  garbage: number;
  /** Exceptions that the receiver of payloads threw. */
  receiverErrors: number;
  gaps: number;
  /** Times the link came up, the first one included. */
  linksUp: number;
  topics: number;
  pendingBytes: number;
  /** The last probe's way to Redis and back; undefined before the first. */
  roundTripMs: number | undefined;
}
