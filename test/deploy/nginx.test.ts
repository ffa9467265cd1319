/** Two nodes as processes behind a real nginx with the configuration of deploy/. */
import { once as happened } from 'node:events';
import { Agent, createServer, IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, collect, connected } from '../support/app.ts';
import { parseExposition } from '../support/exposition.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { programPath } from '../support/programs.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';

type Message = { id: string; seq: number; content: string };

const binary = await programPath('nginx', 'nginx-light');

/** Most addresses of this machine tried until two of them go to different nodes. */
const MAX_ADDRESSES = 64;
const SLOW_MS = 30_000;
/** Two hundred people who chat, beside a thousand requests of strangers. */
const ROOMS = 10;
const PEOPLE = 20;
const SENDS = 2;
const STRANGERS = 20;
const STRANGE_REQUESTS = 1_000;

describe.skipIf(binary === undefined)('two nodes behind nginx', () => {
  const scene = usePeople();
  let env: Record<string, string>;
  let nodes: ServiceProcess[];
  let nginx: Nginx;
  let conversation_id: string;
  const clients: Socket[] = [];
  const agents: Agent[] = [];

  beforeEach(async () => {
    env = {
      DATABASE_URL: scene.db.url,
      REDIS_URL: redisUrl(),
      REDIS_PREFIX: uniquePrefix(),
      TRUSTED_PROXIES: 'loopback',
      DRAIN_GRACE_MS: '200',
    };
    nodes = await Promise.all([startService(env), startService(env)]);
    nginx = await startNginx(binary ?? '', [nodes[0]?.port ?? 0, nodes[1]?.port ?? 0]);
    conversation_id = await scene.conversation();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const agent of agents.splice(0)) agent.destroy();
    await nginx.stop();
    await Promise.all(nodes.map((node) => node.discard()));
  });

  /** A stock client with its default transports; nginx sees it come from `address`. */
  async function joined(person: TestPerson, address: string): Promise<Socket> {
    const agent = new Agent({ localAddress: address, keepAlive: true });
    agents.push(agent);
    const client = io(nginx.url, {
      forceNew: true,
      query: { userId: person.id },
      agent: agent as never,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    });
    clients.push(client);
    await connected(client);
    let seen = 0;
    client.on('new_message', ({ seq }: Message) => {
      seen = Math.max(seen, seq);
    });
    // As README says: on every connect, join again from the last seq.
    client.on('connect', () =>
      client.emit('join_conversation', { conversation_id, after_seq: seen }),
    );
    expect((await ask(client, 'join_conversation', { conversation_id })).success).toBe(true);
    return client;
  }

  async function socketsOf(node: ServiceProcess | undefined): Promise<number> {
    const text = await (await fetch(`${node?.url}/metrics`)).text();
    return parseExposition(text).get('messaging_sockets')?.samples.get('messaging_sockets') ?? -1;
  }

  /** Two clients on two nodes: whichever address goes where, that of the second is another node's. */
  async function onBothNodes(): Promise<{ a: Socket; b: Socket; nodeOfB: ServiceProcess }> {
    const a = await joined(scene.alice, '127.0.0.1');
    const nodeOfA = (await socketsOf(nodes[0])) === 1 ? 0 : 1;
    const nodeOfB = nodes[1 - nodeOfA];
    if (nodeOfB === undefined) throw new Error('there are two nodes');
    for (let host = 2; host < MAX_ADDRESSES; host += 1) {
      const b = await joined(scene.bob, `127.0.0.${host}`);
      if ((await socketsOf(nodeOfB)) === 1) return { a, b, nodeOfB };
      b.close();
    }
    throw new Error('nginx sends everybody to one node');
  }

  const transportOf = (client: Socket): string => client.io.engine.transport.name;

  it(
    'connect by polling, upgrade, and chat from node to node',
    async () => {
      const { a, b } = await onBothNodes();
      await waitFor(() => transportOf(a) === 'websocket' && transportOf(b) === 'websocket', {
        what: 'the upgrades',
      });
      const heard = once<[Message]>(b, 'new_message', 10_000);
      const answer = await ask(a, 'send_message', { conversation_id, content: 'across' });
      expect((await heard)[0]).toEqual(answer.data);
      const back = once<[Message]>(a, 'new_message', 10_000);
      const response = await fetch(`${nginx.url}/messages/${conversation_id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-user-id': scene.bob.id },
        body: JSON.stringify({ content: 'over REST' }),
      });
      expect(response.status).toBe(201);
      expect((await back)[0]).toMatchObject({ seq: 2, content: 'over REST' });
    },
    SLOW_MS,
  );

  it(
    'keep a client that only polls on its node',
    async () => {
      const agent = new Agent({ keepAlive: true });
      agents.push(agent);
      const client = io(nginx.url, {
        forceNew: true,
        query: { userId: scene.alice.id },
        transports: ['polling'],
        reconnection: false,
        agent: agent as never,
      });
      clients.push(client);
      await connected(client);
      await ask(client, 'join_conversation', { conversation_id });
      const heard = collect<Message>(client, 'new_message');
      for (let n = 1; n <= 20; n += 1) {
        expect(
          (await ask(client, 'send_message', { conversation_id, content: `${n}` })).success,
        ).toBe(true);
      }
      await waitFor(() => heard.length === 20, { what: 'all of them' });
      expect(client.connected).toBe(true);
    },
    SLOW_MS,
  );

  it('one going down: its clients go on at the other, and miss nothing', async () => {
    const { a, b, nodeOfB } = await onBothNodes();
    const heard = collect<Message>(b, 'new_message');
    await ask(a, 'send_message', { conversation_id, content: 'before' });
    const lost = once(b, 'disconnect', 10_000);
    nodeOfB.kill('SIGTERM');
    await lost;
    const answers = ['meanwhile', 'and again'].map((content) =>
      ask(a, 'send_message', { conversation_id, content }),
    );
    for (const { success } of await Promise.all(answers)) expect(success).toBe(true);
    expect(await nodeOfB.exited).toBe(0);
    await waitFor(() => heard.length === 3, { what: 'what was missed', timeoutMs: 20_000 });
    expect(heard.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect((await ask(b, 'send_message', { conversation_id, content: 'back' })).success).toBe(true);
  }, 60_000);

  it('nginx reloaded: clients come back by themselves, and miss nothing', async () => {
    const { a, b } = await onBothNodes();
    await waitFor(() => transportOf(b) === 'websocket', { what: 'the upgrade' });
    const heard = collect<Message>(b, 'new_message');
    const lost = once(b, 'disconnect', 20_000);
    nginx.reload();
    await lost;
    const body = JSON.stringify({ content: 'meanwhile', sender_id: scene.alice.id });
    const headers = { 'content-type': 'application/json' };
    const url = `${nginx.url}/messages/${conversation_id}`;
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(201);
    await waitFor(() => a.connected && b.connected, { what: 'their return', timeoutMs: 20_000 });
    await waitFor(() => heard.length === 1, { what: 'what was missed', timeoutMs: 20_000 });
    expect((await ask(a, 'send_message', { conversation_id, content: 'on' })).success).toBe(true);
    await waitFor(() => heard.length === 2, { what: 'the next one' });
    expect(heard.map(({ seq }) => seq)).toEqual([1, 2]);
  }, 60_000);

  it('strangers ask what has no answer with a body: nobody who chats notices', async () => {
    const rooms = await Promise.all(
      Array.from({ length: ROOMS }, async (_, room) => {
        const people = await Promise.all(
          Array.from({ length: PEOPLE }, (_, n) =>
            createPerson(scene.db.sql, `Person ${room} ${n}`),
          ),
        );
        return { people, conversation_id: await createConversation(scene.db.sql, people) };
      }),
    );
    const chatting = rooms.flatMap(({ people, conversation_id }, room) =>
      people.map((person, n) => {
        const agent = new Agent({
          localAddress: `127.0.1.${room * PEOPLE + n + 1}`,
          keepAlive: true,
        });
        agents.push(agent);
        const client = io(nginx.url, {
          forceNew: true,
          query: { userId: person.id },
          // One in four polls on: its GETs and POSTs go beside those of the strangers.
          transports: n % 4 === 0 ? ['polling'] : ['polling', 'websocket'],
          reconnection: false,
          agent: agent as never,
        });
        clients.push(client);
        const wrong: unknown[] = [];
        for (const event of ['connect_error', 'disconnect', 'error', 'resync']) {
          client.on(event, (cause: unknown) => wrong.push({ event, cause }));
        }
        return { client, wrong, conversation_id, heard: collect<Message>(client, 'new_message') };
      }),
    );
    await Promise.all(
      chatting.map(async ({ client, conversation_id }) => {
        await connected(client);
        expect((await ask(client, 'join_conversation', { conversation_id })).success).toBe(true);
      }),
    );

    const statuses = new Map<number, number>();
    const sent = chatting.flatMap(({ client, conversation_id }) =>
      Array.from({ length: SENDS }, (_, n) =>
        ask(client, 'send_message', { conversation_id, content: `${n}` }),
      ),
    );
    const [answers] = await Promise.all([Promise.all(sent), strange(statuses)]);
    expect(answers.filter(({ success }) => !success)).toEqual([]);
    await waitFor(() => chatting.every(({ heard }) => heard.length === PEOPLE * SENDS), {
      what: 'all that was said',
      timeoutMs: 20_000,
    });
    expect(chatting.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(STRANGE_REQUESTS);
    expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
    expect(await nginx.failures()).toEqual([]);
  }, 60_000);

  /** A thousand requests, some at a time on kept connections; counts how they were answered. */
  async function strange(statuses: Map<number, number>): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: STRANGERS });
    agents.push(agent);
    const paths = [
      '/socket.io/?EIO=4&transport=polling',
      '/socket.io/?EIO=4&transport=polling&sid=nobody',
      '/socket.io/',
      '/health',
      `/messages/${conversation_id}`,
      '/nowhere',
    ];
    const headers = { origin: 'https://stranger.example', 'access-control-request-method': 'PUT' };
    let left = STRANGE_REQUESTS;
    const stranger = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const method = left % 2 === 0 ? 'OPTIONS' : 'HEAD';
        const asked = request(nginx.url + paths[left % paths.length], { method, headers, agent });
        asked.end();
        const [answer] = await happened(asked, 'response');
        if (!(answer instanceof IncomingMessage)) throw new Error('a response is one');
        answer.resume();
        const status = answer.statusCode ?? 0;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: STRANGERS }, stranger));
  }

  it('does not show the figures of a node', async () => {
    expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404);
    expect((await fetch(`${nginx.url}/health`)).status).toBe(200);
  });
});

describe.skipIf(binary === undefined)('nodes whose answers are odd', () => {
  let nodes: Server[];
  let nginx: Nginx;
  beforeAll(async () => {
    nodes = await Promise.all([odd(), odd()]);
    const ports = nodes.map((node) => (node.address() as AddressInfo).port);
    nginx = await startNginx(binary ?? '', [ports[0] ?? 0, ports[1] ?? 0]);
  });
  afterAll(async () => {
    await nginx.stop();
    for (const node of nodes) {
      node.closeAllConnections();
      node.close();
    }
  });

  /** Answers as it is asked to. */
  function odd(): Promise<Server> {
    const node = createServer((req, res) => {
      const { socket } = req;
      if (req.url?.endsWith('/silent')) socket.destroy();
      else if (req.url?.endsWith('/endless')) {
        socket.end('HTTP/1.1 204 No Content\r\nContent-Length: 9223372036854775808\r\n\r\n');
      } else if (req.url?.endsWith('/garbled')) socket.end('what?\r\n\r\n');
      else res.end('well');
    });
    return new Promise((resolve) => node.listen(0, '127.0.0.1', () => resolve(node)));
  }

  it.each(['/', '/socket.io/'])('go on being asked, below %s', async (path) => {
    for (const what of ['silent', 'endless', 'garbled']) {
      for (let n = 0; n < 4; n += 1) {
        await fetch(nginx.url + path + what).then((answer) => answer.arrayBuffer(), String);
        expect(await (await fetch(nginx.url + path)).text()).toBe('well');
      }
    }
  });
});
