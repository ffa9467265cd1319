/** Stock clients on two nodes behind a balancer that is not sticky. */
import { Agent } from 'node:http';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, collect, connected } from '../support/app.ts';
import { parseExposition } from '../support/exposition.ts';
import type { TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';
import { type RoundRobin, startRoundRobin } from './round-robin.ts';

type Message = { id: string; seq: number; content: string };
type Options = Partial<ManagerOptions & SocketOptions>;

const SLOW_MS = 60_000;
const CROWD = 300;

const scene = usePeople();
let env: Record<string, string>;
let nodes: ServiceProcess[];
let balancer: RoundRobin;
let conversation_id: string;
const clients: Socket[] = [];
/** Every request on a connection of its own, so that each goes to the other node. */
const alternating = new Agent({ keepAlive: false });

beforeAll(async () => {
  env = { DATABASE_URL: scene.db.url, REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
  nodes = await Promise.all([startService(env), startService(env)]);
  balancer = await startRoundRobin(nodes.map(({ port }) => port));
}, SLOW_MS);
afterAll(async () => {
  await balancer.stop();
  await Promise.all(nodes.map((node) => node.discard()));
});
beforeEach(async () => {
  conversation_id = await scene.conversation();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function connect(person: TestPerson, options: Options = {}, url = balancer.url): Socket {
  const client = io(url, {
    forceNew: true,
    query: { userId: person.id },
    agent: alternating as never,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    ...options,
  });
  clients.push(client);
  return client;
}

const transportOf = (client: Socket): string => client.io.engine.transport.name;

/** The sum over the nodes. */
async function figure(series: string): Promise<number> {
  const texts = await Promise.all(
    nodes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
  );
  return texts
    .flatMap((text) => [...parseExposition(text).values()])
    .reduce((sum, { samples }) => sum + (samples.get(series) ?? 0), 0);
}

/** Sends `count` messages each way, one after the other and all at once; each is heard once, in order. */
async function converse(a: Socket, b: Socket, count: number): Promise<void> {
  const heard = [a, b].map((client) => collect<Message>(client, 'new_message'));
  for (const client of [a, b]) {
    expect((await ask(client, 'join_conversation', { conversation_id })).success).toBe(true);
  }
  for (let n = 0; n < count; n += 1) {
    const sender = n % 2 === 0 ? a : b;
    const answer = await ask(sender, 'send_message', { conversation_id, content: `one ${n}` });
    expect(answer.success).toBe(true);
  }
  const answers = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      ask(n % 2 === 0 ? a : b, 'send_message', { conversation_id, content: `burst ${n}` }),
    ),
  );
  expect(answers.every(({ success }) => success)).toBe(true);
  const seqs = Array.from({ length: 2 * count }, (_, n) => n + 1);
  await waitFor(() => heard.every(({ length }) => length >= seqs.length), { what: 'all messages' });
  for (const list of heard) expect(list.map(({ seq }) => seq)).toEqual(seqs);
}

describe('two nodes behind a balancer that is not sticky', () => {
  it(
    'a default client connects by polling, upgrades, and chats through another node',
    async () => {
      const a = connect(scene.alice);
      const b = connect(scene.bob);
      await Promise.all([connected(a), connected(b)]);
      await waitFor(() => transportOf(a) === 'websocket' && transportOf(b) === 'websocket', {
        what: 'the upgrades',
      });
      await converse(a, b, 50);
    },
    SLOW_MS,
  );

  it(
    'a WebSocket is relayed to the node that has its session, and ends with it',
    async () => {
      // At once, so that their connections mix: alone, each would be sent to its own node.
      const crowd = Array.from({ length: 20 }, () => connect(scene.alice));
      await Promise.all(crowd.map((client) => connected(client)));
      await waitFor(() => crowd.every((client) => transportOf(client) === 'websocket'), {
        what: 'the upgrades',
      });
      expect(await figure('messaging_peer_relayed_connections')).toBeGreaterThan(0);
      const open = clients.length;
      expect(await figure('messaging_connections{transport="websocket"}')).toBe(open);
      for (const client of clients.splice(0)) client.close();
      await waitFor(
        async () =>
          (await figure('messaging_peer_relayed_connections')) === 0 &&
          (await figure('messaging_connections{transport="websocket"}')) === 0,
        { what: 'their end on both nodes' },
      );
    },
    SLOW_MS,
  );

  it(
    'a client that only polls chats, each request at the other node',
    async () => {
      const options: Options = { transports: ['polling'], reconnection: false };
      const a = connect(scene.alice, options);
      const b = connect(scene.bob, options);
      await Promise.all([connected(a), connected(b)]);
      await converse(a, b, 30);
      expect([transportOf(a), transportOf(b)]).toEqual(['polling', 'polling']);
      expect(await figure('messaging_peer_requests_total{outcome="answered"}')).toBeGreaterThan(20);
      const [first = 0, second = 0] = balancer.counts();
      expect(Math.abs(first - second)).toBeLessThanOrEqual(1);
    },
    SLOW_MS,
  );

  it(
    'keeps binary as binary, and a long message whole',
    async () => {
      const options: Options = { transports: ['polling'], reconnection: false };
      const a = connect(scene.alice, options);
      await connected(a);
      await ask(a, 'join_conversation', { conversation_id });
      const content = 'ü€😀'.repeat(1_000);
      const heard = once<[Message]>(a, 'new_message', 10_000);
      expect((await ask(a, 'send_message', { conversation_id, content })).success).toBe(true);
      expect((await heard)[0].content).toBe(content);
      // A payload with an attachment is not what the event wants, and is understood to be one.
      const answer = await ask(a, 'send_message', { conversation_id, content: Buffer.from('x') });
      expect(answer.error.code).toBe('invalid_request');
    },
    SLOW_MS,
  );

  it(
    `${CROWD} clients connect at once, all of them`,
    async () => {
      const crowd = Array.from({ length: CROWD }, () =>
        connect(scene.alice, { reconnection: false }),
      );
      const failed: string[] = [];
      for (const client of crowd) client.on('connect_error', ({ message }) => failed.push(message));
      await waitFor(() => crowd.every((client) => client.connected), {
        what: 'all connects',
        timeoutMs: 40_000,
      });
      await waitFor(() => crowd.every((client) => transportOf(client) === 'websocket'), {
        what: 'the upgrades',
        timeoutMs: 40_000,
      });
      expect(failed).toEqual([]);
      expect(crowd.every((client) => client.connected)).toBe(true);
      const relayed = await figure('messaging_peer_relayed_connections');
      expect(relayed).toBeGreaterThan(CROWD / 10);
    },
    2 * SLOW_MS,
  );
});
