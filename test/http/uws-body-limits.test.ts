// What a body may cost while it is half received.

import { fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createUwsBridge } from '../../src/http/uws-bridge.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget, type MemoryBudget } from '../../src/shared/memory-budget.ts';
import { waitFor } from '../support/wait.ts';
import { open, type RawClient } from './raw-http.ts';

const MAX_HELD_BYTES = 1_000_000;
const BODY_TIMEOUT_MS = 1_000;

let memory: MemoryBudget;
let port: number;
let stop: () => Promise<void>;
let bodies: string[];
const clients: RawClient[] = [];

beforeEach(async () => {
  memory = createMemoryBudget(MAX_HELD_BYTES);
  bodies = [];
  const app = createUwsApp();
  const bridge = createUwsBridge({
    app,
    maxBodyBytes: 500_000,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    memory,
    listen: (host, on) => listenExclusive(app, host, on),
  });
  const server = fastify({ serverFactory: bridge.serverFactory });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    bodies.push(String(body));
    done(null, body);
  });
  server.post('/', async () => 'taken');
  server.post('/known', {
    onRequest: async ({ raw }) => {
      if ('identified' in raw) raw.identified = true;
    },
    handler: async () => 'taken',
  });
  server.post('/refused', {
    onRequest: async (_request, reply) => reply.code(401).send('who are you?'),
    handler: async () => 'never',
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = server.server.address() as { port: number });
  stop = async () => {
    await server.close();
    app.close();
  };
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await stop();
  expect(memory.stats().heldBytes).toBe(0);
});

const held = (): number => memory.stats().heldBytes;

async function begin(path: string, head: string, written: string): Promise<RawClient> {
  const client = await open(port);
  clients.push(client);
  client.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: x/y\r\n${head}\r\n\r\n${written}`);
  return client;
}

describe('a body half received', () => {
  it('is counted until it is complete', async () => {
    const client = await begin('/', 'Content-Length: 200000', 'x'.repeat(150_000));
    await waitFor(() => held() >= 150_000, { what: 'the body to be counted' });
    expect(held()).toBeLessThan(200_000);
    client.send('x'.repeat(50_000));
    expect((await client.response()).status).toBe(200);
    expect([bodies[0]?.length, held()]).toEqual([200_000, 0]);
  });

  it('is let go when its client goes', async () => {
    const client = await begin('/', 'Content-Length: 200000', 'x'.repeat(150_000));
    await waitFor(() => held() >= 150_000, { what: 'the body to be counted' });
    client.close();
    await waitFor(() => held() === 0, { what: 'the body to be let go' });
  });

  it('has a deadline, however steadily it trickles', async () => {
    const client = await begin('/', 'Content-Length: 200000', 'x');
    const trickle = setInterval(() => client.send('x'), 20);
    await client.closed;
    clearInterval(trickle);
    expect(bodies).toEqual([]);
  });

  it('of many is held within the budget: those without identity go first', async () => {
    const known = await begin('/known', 'Content-Length: 400001', 'x'.repeat(400_000));
    await waitFor(() => held() >= 400_000, { what: 'the body to be counted' });
    const large = await begin('/', 'Content-Length: 400000', 'x'.repeat(300_000));
    await waitFor(() => held() >= 700_000, { what: 'the body to be counted' });
    const small = await begin('/', 'Content-Length: 250001', 'x'.repeat(250_000));
    await waitFor(() => held() >= 950_000, { what: 'the body to be counted' });
    await begin('/', 'Content-Length: 60000', 'x'.repeat(50_001));
    await large.closed;
    expect(memory.stats().ended).toEqual({ strangers: 1, known: 0 });
    small.send('x');
    expect((await small.response()).status).toBe(200);
    known.send('x');
    expect((await known.response()).status).toBe(200);
  });
});

describe('a body in shreds', () => {
  const shreds = '1\r\nx\r\n'.repeat(50_000);

  it('ends its connection', async () => {
    const client = await begin('/', 'Transfer-Encoding: chunked', shreds);
    await client.closed;
    expect(bodies).toEqual([]);
  });

  it('is not refused before it has ended, since nothing could end it then', async () => {
    const client = await begin('/refused', 'Transfer-Encoding: chunked', '1\r\nx\r\n');
    client.send('1\r\nx\r\n0\r\n\r\n');
    expect((await client.response()).status).toBe(401);
    client.send('POST /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    client.send(shreds);
    await client.closed;
  });

  it('of a hundred pieces is taken', async () => {
    const pieces = '1\r\nx\r\n'.repeat(100);
    const client = await begin('/', 'Transfer-Encoding: chunked', `${pieces}0\r\n\r\n`);
    expect((await client.response()).status).toBe(200);
    expect(bodies).toEqual(['x'.repeat(100)]);
  });
});
