/** Two nodes of which one dies, and a Redis that goes away. */
import { Agent } from 'node:http';
import { Redis } from 'ioredis';
import { io, type Socket } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPeerRegistry, type PeerRegistry } from '../../src/peers/registry.ts';
import type { RedisServer } from '../../src/redis/server.ts';
import { collectingLog, request } from '../conformance/support.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson } from '../support/people.ts';
import {
  type OwnRedis,
  openRedisServer,
  redisUrl,
  startOwnRedis,
  uniquePrefix,
} from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';
import { openPolling, type PeerServer, startPeerServer } from './peer-server.ts';
import { startRoundRobin } from './round-robin.ts';

type Message = { seq: number; content: string };

describe('a node that is killed in mid-conversation', () => {
  let db: TestDatabase;
  let nodes: ServiceProcess[];

  beforeEach(async () => {
    db = await createTestDatabase();
    const env = { DATABASE_URL: db.url, REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
    nodes = await Promise.all([startService(env), startService(env)]);
  }, 60_000);
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.discard()));
    await db.drop();
  });

  it.each([[['polling']], [['polling', 'websocket']]])(
    'its clients (%j) go on at the other one, and miss and double nothing',
    async (transports) => {
      const [alice, bob] = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
      const conversation_id = await createConversation(db.sql, [alice, bob]);
      const balancer = await startRoundRobin(nodes.map(({ port }) => port));
      const agent = new Agent({ keepAlive: false });
      const heard: number[][] = [];
      // Several, so that some have their session on the node that is killed, some on the other.
      const clients = Array.from({ length: 8 }, (_, index) => {
        const seqs: number[] = [];
        heard.push(seqs);
        const client: Socket = io(balancer.url, {
          forceNew: true,
          transports,
          query: { userId: index % 2 === 0 ? alice.id : bob.id },
          agent: agent as never,
          reconnectionDelay: 50,
          reconnectionDelayMax: 200,
        });
        client.on('new_message', ({ seq }: Message) => seqs.push(seq));
        client.on('connect', () => {
          client.emit('join_conversation', { conversation_id, after_seq: seqs.at(-1) ?? 0 });
        });
        return client;
      });
      await waitFor(() => clients.every(({ connected }) => connected), { what: 'all of them' });

      /** As README says: the same key again until it is acknowledged. */
      async function send(client: Socket, content: string): Promise<void> {
        await waitFor(
          async () => {
            const message = { conversation_id, content, client_message_id: content };
            return (await client.timeout(2_000).emitWithAck('send_message', message)).success;
          },
          { what: `the acknowledgement of ${content}`, timeoutMs: 30_000 },
        );
      }
      const perClient = 30;
      const sending = clients.map(async (client, index) => {
        for (let n = 0; n < perClient; n += 1) await send(client, `${index} ${n}`);
      });
      await waitFor(() => (heard[0]?.length ?? 0) > 20, { what: 'the conversation to run' });
      nodes[0]?.kill('SIGKILL');
      await Promise.all(sending);
      const seqs = Array.from({ length: clients.length * perClient }, (_, n) => n + 1);
      await waitFor(() => heard.every(({ length }) => length >= seqs.length), {
        what: 'all messages everywhere',
        timeoutMs: 30_000,
      });
      for (const list of heard) expect(list).toEqual(seqs);
      for (const client of clients) client.close();
      await balancer.stop();
    },
    120_000,
  );
});

describe('Redis', () => {
  let redis: OwnRedis;
  const prefix = uniquePrefix();
  let servers: PeerServer[] = [];
  let registries: PeerRegistry[] = [];
  let opened: RedisServer[] = [];

  function openRegistry(tag: string): PeerRegistry {
    const server = openRedisServer(redis.url, prefix);
    const registry = createPeerRegistry({ redis: server, tag, log: collectingLog() });
    opened.push(server);
    registries.push(registry);
    return registry;
  }

  beforeEach(async () => {
    redis = await startOwnRedis();
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await Promise.all(registries.map((registry) => registry.close()));
    for (const server of opened) server.close();
    opened = [];
    servers = [];
    registries = [];
    await redis.stop();
  });

  const startTwo = async (): Promise<[PeerServer, PeerServer]> => {
    const owner = await startPeerServer({ prefix, redis: redis.url });
    const other = await startPeerServer({ prefix, redis: redis.url });
    servers = [owner, other];
    return [owner, other];
  };
  const keys = async (): Promise<string[]> => {
    const client = new Redis(redis.url);
    const found = await client.keys(`${prefix}peer:*`);
    client.disconnect();
    return found;
  };

  it('keeps an entry while the node lives and a little longer, and loses it with a stop', async () => {
    const [owner] = await startTwo();
    const client = new Redis(redis.url);
    for (const key of await keys()) expect(await client.ttl(key)).toBeGreaterThan(20);
    client.disconnect();
    expect(await keys()).toHaveLength(2);
    servers = servers.slice(1);
    await owner.stop();
    expect(await keys()).toHaveLength(1);
  });

  it('away: sessions of nodes that are known are found', async () => {
    const [owner, other] = await startTwo();
    const { url } = await openPolling(owner, other);
    await redis.kill('SIGKILL');
    for (let n = 0; n < 3; n += 1) {
      await request(url(other.port), { method: 'POST', body: `42["message",${n}]` });
      expect((await request(url(other.port))).text).toBe(`42["message-back",${n}]`);
    }
  });

  it('back with nothing in it is told again who is where', async () => {
    const [owner, other] = await startTwo();
    await redis.restart();
    await waitFor(async () => (await keys()).length === 2, { what: 'both entries' });
    await openPolling(owner, other);
  });

  it('silent or away at the start: the node starts, is found later, and asks nothing for ever', async () => {
    const registry = openRegistry('AAAAAAAA');
    await redis.kill('SIGKILL');
    await registry.announce({ host: '127.0.0.1', port: 1, key: 'k' });
    expect(await registry.find('BBBBBBBB')).toBe(undefined);
    await redis.restart();
    await waitFor(async () => (await keys()).length === 1, { what: 'the entry' });
    await redis.kill('SIGSTOP');
    expect(await registry.find('CCCCCCCC')).toBe(undefined);
    await redis.kill('SIGCONT');
  });

  it('is asked once for many requests, and not again at once for a tag that nobody has', async () => {
    const registry = openRegistry('AAAAAAAA');
    await registry.announce({ host: '127.0.0.1', port: 1, key: 'k' });
    const client = new Redis(redis.url);
    const asked = async (): Promise<number> =>
      Number(/cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const find = (tag: string) =>
      Promise.all(Array.from({ length: 100 }, () => registry.find(tag)));
    expect(new Set(await find('AAAAAAAA')).size).toBe(1);
    expect(await registry.find('AAAAAAAA')).toEqual({ host: '127.0.0.1', port: 1, key: 'k' });
    expect(await asked()).toBe(1);
    await find('BBBBBBBB');
    await find('BBBBBBBB');
    expect(await asked()).toBe(2);
    registry.gone('AAAAAAAA');
    expect(await registry.find('AAAAAAAA')).toBe(undefined);
    expect(await asked()).toBe(2);
    client.disconnect();
  });
});
