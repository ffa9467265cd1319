/** Faults of Redis and of the links to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startOwnRedis } from '../support/redis-server.ts';
import { during, type Fault, silence } from './fault.ts';

export const killRedis: Fault = {
  name: 'redis-kill',
  holdMs: 4_000,
  away: 'redis',
  run: (context) => {
    const { redis } = context.cluster.servers;
    const before = redis.pid;
    return during(
      context,
      async () => {
        await redis.kill('SIGKILL');
        return `process ${before} was killed`;
      },
      () => redis.restart(),
    );
  },
};

export const stopRedis: Fault = {
  name: 'redis-stop',
  holdMs: 30_000,
  away: 'redis',
  run: (context) => {
    const { redis } = context.cluster.servers;
    return during(
      context,
      async () => {
        await redis.kill('SIGSTOP');
        return 'the process was stopped';
      },
      () => redis.kill('SIGCONT'),
    );
  },
};

export const killPubsub: Fault = {
  name: 'redis-kill-pubsub',
  holdMs: 2_000,
  away: null,
  async run({ cluster, holdMs, random }) {
    const admin = new Redis(cluster.servers.redis.url);
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let killed = 0;
    do {
      killed += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      await sleep(random.between(100, 700));
    } while (performance.now() < until);
    killed += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    const endedAt = performance.now();
    admin.disconnect();
    return { startedAt, endedAt, evidence: killed > 0 ? `${killed} clients were killed` : null };
  },
};

/** A Redis that is slow for one node only: what it says and hears comes late. */
export const lateRedis: Fault = {
  name: 'redis-late',
  holdMs: 5_000,
  away: null,
  run: (context) => {
    const { redisLink } = context.random.pick(context.cluster.nodes);
    return during(
      context,
      async () => {
        redisLink.delay(200);
        return redisLink.connections() > 0 ? 'one link is 200 ms late' : null;
      },
      async () => redisLink.delay(0),
    );
  },
};

/** One node alone loses sight of Redis. */
export const silentRedisLink: Fault = {
  name: 'redis-link-silent',
  holdMs: 6_000,
  away: 'redis',
  run: (context) => silence(context, context.random.pick(context.cluster.nodes).redisLink),
};

/** Redis becomes the replica of another one, and nobody's connection ends. */
export const demoteRedis: Fault = {
  name: 'redis-demoted',
  holdMs: 4_000,
  away: 'redis',
  async run(context) {
    const other = await startOwnRedis();
    const admin = new Redis(context.cluster.servers.redis.url);
    try {
      return await during(
        context,
        async () => {
          await admin.call('REPLICAOF', '127.0.0.1', String(other.port));
          return 'it follows another one';
        },
        () => admin.call('REPLICAOF', 'NO', 'ONE'),
      );
    } finally {
      admin.disconnect();
      await other.stop();
    }
  },
};

/** People's connections are ordered to end while Redis carries no word of it. */
export const ordersWithoutRedis: Fault = {
  name: 'orders',
  holdMs: 3_000,
  away: 'redis',
  async run(context) {
    const { cluster, workload, random, holdMs } = context;
    const { redis } = cluster.servers;
    const startedAt = performance.now();
    await redis.kill('SIGKILL');
    const people = new Set(workload.devices.map(({ log }) => log.userId));
    for (const userId of random.shuffled([...people]).slice(0, 3)) {
      await workload.disconnect(userId);
      await sleep(random.between(50, 400));
    }
    await sleep(Math.max(0, startedAt + holdMs - performance.now()));
    await redis.restart();
    const endedAt = performance.now();
    const acked = workload.history.orders.filter(({ ackedAt }) => ackedAt !== null).length;
    return { startedAt, endedAt, evidence: acked > 0 ? `${acked} orders were taken` : null };
  },
};
