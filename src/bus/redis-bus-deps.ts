/** What bounds the Redis bus, what it counts, and what it needs from outside. */
import type { RedisServer } from '../redis/server.ts';

export interface RedisBusLimits {
  /** How often the link is probed. */
  probeIntervalMs: number;
  /** From the last proof to the verdict that the link is dead; more than the interval. */
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
  /** Whose verdict it is whether the server is the right one. */
  server: Pick<RedisServer, 'open' | 'status' | 'onUp' | 'onDown'>;
  /** Put before every channel name, so that deployments can share a Redis. */
  prefix: string;
  /** Of the database that this node talks to: part of every channel name. */
  epoch: string;
  /** Unique per process start; 1 to 64 printable ASCII characters. */
  nodeId: string;
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
  /** Exceptions of the receiver. */
  receiverErrors: number;
  gaps: number;
  /** Times the link came up, the first one included. */
  linksUp: number;
  topics: number;
  pendingBytes: number;
  /** The last probe's way to Redis and back; undefined before the first. */
  roundTripMs: number | undefined;
}
