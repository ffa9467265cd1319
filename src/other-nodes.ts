/**
 * What joins this process to the other nodes: Redis, the bus over it, and the way to sessions of others.
 * Without a Redis the process is alone, and there is nothing of it but a bus that leads nowhere.
 */
import { REDIS_BUS_LIMITS } from './bounds/bus.ts';
import { MIN_BUS_PAYLOAD_BYTES } from './bounds/process.ts';
import type { Bus } from './bus/bus.ts';
import { createMemoryBus } from './bus/memory-bus.ts';
import { createRedisBus } from './bus/redis-bus.ts';
import type { RedisBusStats } from './bus/redis-bus-deps.ts';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';
import { createPeerNode, type PeerNode } from './peers/peers.ts';
import { type RealtimeSettings, SOCKET_PATH } from './realtime-settings.ts';
import { createRedisServer, type RedisServer } from './redis/server.ts';
import type { Beat } from './shared/beat.ts';
import { newId } from './shared/ids.ts';
import type { MemoryBudget } from './shared/memory-budget.ts';

export interface OtherNodesDeps {
  config: Config;
  /** The name of the database that this process talks to. */
  epoch: string;
  realtime: RealtimeSettings;
  memory: MemoryBudget;
  /** When Redis is looked at. */
  beat: Beat;
  log: Logger;
}

export interface OtherNodes {
  readonly bus: Bus;
  /** null, as all below: the process is alone. */
  readonly redis: RedisServer | null;
  readonly peerNode: PeerNode | null;
  busStats(): RedisBusStats | null;
}

/** Returns at once: Redis is connected to, and connected to again, by itself. */
export function createOtherNodes(deps: OtherNodesDeps): OtherNodes {
  const { config, realtime, beat, log } = deps;
  const { url, prefix } = config.redis;
  const nodeId = newId();
  if (url === null) {
    return { bus: createMemoryBus({ nodeId }), redis: null, peerNode: null, busStats: () => null };
  }
  const redis = createRedisServer({ url, prefix, nodeId, beat, log });
  const bus = createRedisBus({
    server: redis,
    prefix,
    epoch: deps.epoch,
    nodeId,
    beat,
    log,
    limits: {
      ...REDIS_BUS_LIMITS,
      maxPayloadBytes: Math.max(config.audience.maxEnvelopeBytes, MIN_BUS_PAYLOAD_BYTES),
    },
  });
  const peerNode = createPeerNode({
    redis,
    ...config.peers,
    path: SOCKET_PATH,
    limits: realtime.socketLimits,
    connections: realtime.connections,
    memory: deps.memory,
    log,
  });
  return { bus, redis, peerNode, busStats: bus.stats };
}
