/** The implementations of the bus, each ready to be held to the contract. */
import { Redis } from 'ioredis';
import { REDIS_BUS_LIMITS } from '../../src/bounds/bus.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { createMemoryBus, createMemoryHub } from '../../src/bus/memory-bus.ts';
import { createRedisBus } from '../../src/bus/redis-bus.ts';
import { createBeat } from '../../src/shared/beat.ts';
import {
  type OwnRedis,
  redisUrl,
  startOwnRedis,
  trustedServer,
  uniquePrefix,
} from '../support/redis.ts';

export interface Twin {
  kind: 'memory' | 'redis';
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A maker of nodes that hear each other, and nobody else. */
  deployment(): (nodeId: string) => Bus;
}

// A busy machine is not what is tested here.
const limits = { ...REDIS_BUS_LIMITS, commandTimeoutMs: 15_000, probeTimeoutMs: 10_000 };
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

const memory: Twin = {
  kind: 'memory',
  async start() {
    // Needs nothing.
  },
  async stop() {
    // Has nothing.
  },
  deployment() {
    const hub = createMemoryHub();
    return (nodeId) => createMemoryBus({ hub, nodeId });
  },
};

const redis: Twin = {
  ...memory,
  kind: 'redis',
  deployment() {
    const prefix = uniquePrefix();
    return (nodeId) =>
      createRedisBus({
        server: trustedServer(redisUrl()),
        prefix,
        epoch: 'epoch',
        nodeId,
        beat: createBeat(),
        log,
        limits,
      });
  },
};

/** A server whose access list forbids switching answers off, as some hosted ones do. */
function createStrictRedis(): Twin {
  let server: OwnRedis;
  return {
    kind: 'redis',
    async start() {
      server = await startOwnRedis();
      const admin = new Redis(server.url);
      await admin.call('ACL', 'SETUSER', 'strict', 'on', '>pass', '&*', '+@all', '-client|reply');
      admin.disconnect();
    },
    stop: () => server.stop(),
    deployment() {
      const prefix = uniquePrefix();
      const url = `redis://strict:pass@127.0.0.1:${server.port}`;
      return (nodeId) =>
        createRedisBus({
          server: trustedServer(url),
          prefix,
          epoch: 'epoch',
          nodeId,
          beat: createBeat(),
          log,
          limits,
        });
    },
  };
}

/** Name → implementation. */
export const twins: [string, Twin][] = [
  ['memory', memory],
  ['redis', redis],
  ['redis that refuses CLIENT REPLY', createStrictRedis()],
];
