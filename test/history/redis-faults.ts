/** Faults of Redis and of the links to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
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
