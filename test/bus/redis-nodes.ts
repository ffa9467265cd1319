/** Nodes on a Redis of the test's own, to be broken, and what tests of its link ask of them. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { REDIS_BUS_LIMITS } from '../../src/bounds/bus.ts';
import { createRedisBus, type RedisBus, type RedisBusLimits } from '../../src/bus/redis-bus.ts';
import { createBeat } from '../../src/shared/beat.ts';
import { type OwnRedis, startOwnRedis, trustedServer, uniquePrefix } from '../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';

/** Probes often, so that what comes with a probe comes soon; the promised times stay. */
export const quick: Partial<RedisBusLimits> = { probeIntervalMs: 100 };

export interface Node {
  bus: RedisBus;
  heard: string[];
  gaps: number;
  vanished: number;
  log: { level: string; fields: object; message: string }[];
}

/** Starts a server for the test file, and a channel prefix for each test; closes what was opened. */
export function useOwnRedis() {
  let server: OwnRedis;
  let admin: Redis;
  let prefix: string;
  const open: { close(): Promise<unknown> }[] = [];

  beforeAll(async () => {
    server = await startOwnRedis();
  });
  beforeEach(() => {
    prefix = uniquePrefix();
    admin = new Redis(server.url, { retryStrategy: () => 50 });
    admin.on('error', () => undefined); // the server is killed on purpose
  });
  afterEach(async () => {
    await server.kill('SIGCONT');
    await closeAll();
    admin.disconnect();
  });
  afterAll(() => server.stop());

  async function closeAll(): Promise<void> {
    await Promise.all(open.splice(0).map((one) => one.close()));
  }

  function start(nodeId: string, limits = quick, url = server.url): Node {
    const log: Node['log'] = [];
    const line = (level: string) => (fields: object, message: string) => {
      log.push({ level, fields, message });
    };
    const bus = createRedisBus({
      server: trustedServer(url),
      prefix,
      epoch: 'epoch',
      nodeId,
      beat: createBeat(),
      log: { info: line('info'), warn: line('warn'), error: line('error') },
      // Nothing is held back, so that a notice too many shows.
      limits: { ...REDIS_BUS_LIMITS, gapIntervalMs: 0, ...limits },
    });
    const node: Node = { bus, heard: [], gaps: 0, vanished: 0, log };
    bus.onMessage((topic, payload) => node.heard.push(`${topic}: ${Buffer.from(payload)}`));
    bus.onGap(() => {
      node.gaps += 1;
    });
    bus.onVanished(() => {
      node.vanished += 1;
    });
    open.push(bus);
    return node;
  }

  async function pair(limits = quick): Promise<[Node, Node]> {
    const nodes: [Node, Node] = [start('node-a', limits), start('node-b', limits)];
    await up(...nodes);
    return nodes;
  }

  async function startProxy(): Promise<TcpProxy & { url: string }> {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: server.port });
    open.push({ close: () => proxy.stop() });
    return { ...proxy, url: proxy.through(server.url) };
  }

  return {
    get server() {
      return server;
    },
    /** A plain client of the server. */
    get admin() {
      return admin;
    },
    /** What the channels of this test's nodes begin with. */
    get prefix() {
      return `${prefix}epoch:`;
    },
    /** A node, perhaps not up yet. */
    start,
    /** Two nodes that are up. */
    pair,
    /** A proxy in front of the server. */
    startProxy,
    /** Closes every node and proxy now. */
    closeAll,
  };
}

/** Every link works. */
export async function up(...nodes: Node[]): Promise<void> {
  await waitFor(() => nodes.every((node) => node.bus.status().ok), { what: 'the link to be up' });
}

/** How long it took, in milliseconds, until the node noticed. */
export async function down(...nodes: Node[]): Promise<number> {
  const since = performance.now();
  await waitFor(() => nodes.every((node) => !node.bus.status().ok), {
    what: 'the link to be found down',
    timeoutMs: 10_000,
  });
  return performance.now() - since;
}

/** A payload from one node to the other arrives: proof that the topic is heard. */
export async function reaches(from: Node, to: Node, topic: string): Promise<void> {
  const text = `reached ${Math.random()}`;
  from.bus.publish(topic, Buffer.from(text));
  await waitFor(() => to.heard.includes(`${topic}: ${text}`), { what: `${topic} to be heard` });
}

/** Two more probes of every node have come back. */
export async function probesGoRound(...nodes: Node[]): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    const before = nodes.map((node) => node.bus.stats().roundTripMs);
    await waitFor(
      () => nodes.every((node, index) => node.bus.stats().roundTripMs !== before[index]),
      { what: 'a probe to go round' },
    );
  }
}
