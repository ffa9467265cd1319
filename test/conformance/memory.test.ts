// What is held for clients is counted, has a deadline, and has one budget for all of them.

import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import {
  collectingLog,
  openPolling,
  openSocketIo,
  openWebSocket,
  type PollingClient,
  type RawSocket,
  startServer,
  withDeadline,
} from './support.ts';

const PATH = '/socket.io/';
const MAX_HELD_BYTES = 2_000_000;
const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const log = collectingLog();
let server: ConformanceServer;
let witness: RawSocket;
beforeAll(async () => {
  server = await startServer({
    log,
    maxHeldBytes: MAX_HELD_BYTES,
    limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, connectTimeoutMs: 10_000 },
  });
});
afterAll(async () => {
  await server.close();
  expect(log.errors).toEqual([]);
  expect(held()).toBe(0);
});
beforeEach(async () => {
  witness = await openSocketIo(server);
  await nothingHeld();
});
afterEach(async () => {
  witness.send('42["message"]');
  expect(await witness.next()).toBe('42["message-back"]');
  for (const socket of bare.splice(0)) socket.destroy();
  witness.ws.terminate();
  await waitFor(() => server.sockets.stats().sessions === 0, { what: 'all sessions to end' });
  expect(held()).toBe(0);
});

const held = (): number => server.memory.stats().heldBytes;
const nothingHeld = () => waitFor(() => held() === 0, { what: 'everything to be let go' });
const ended = () => ({ ...server.memory.stats().ended });
const bare: Socket[] = [];

/** A POST on a bare connection; `written` of it at once. */
function beginPost({ sid }: PollingClient, head: string, written: string) {
  const socket = connect(server.port, '127.0.0.1');
  bare.push(socket);
  let answer = '';
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    answer += data.toString('latin1');
  });
  socket.write(
    `POST ${PATH}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${written}`,
  );
  return {
    socket,
    /** All that was answered, when the server has closed the connection. */
    closed: () =>
      withDeadline(
        'the end of a POST',
        new Promise<string>((resolve) => socket.once('close', () => resolve(answer))),
      ),
  };
}

/** A polling session that has said who it is. */
async function openKnown(): Promise<PollingClient> {
  const client = await openPolling(server, PATH);
  await client.push('40');
  expect((await client.poll()).text).toMatch(/^40\{"sid"/);
  return client;
}

describe('a binary packet half received', () => {
  it('is counted as what its JSON has become, and let go when it is complete', async () => {
    const socket = await openSocketIo(server);
    socket.send(`451-["message-with-ack",${PLACEHOLDER},[${'{},'.repeat(4_000)}0]]`);
    await waitFor(() => held() > 8_000 * 64, { what: 'the packet to be counted' });
    expect(held()).toBeLessThan(1_000_000);
    socket.send(new Uint8Array(1));
    await nothingHeld();
    socket.send(`452-["message-with-ack",${PLACEHOLDER},{"_placeholder":true,"num":1}]`);
    socket.send(new Uint8Array(300_000));
    await waitFor(() => held() > 300_000, { what: 'the attachment to be counted' });
    socket.ws.terminate();
    await nothingHeld();
  });

  it('has a deadline', async () => {
    const hasty = await startServer({ log, limits: { attachmentTimeoutMs: 100 } });
    try {
      const socket = await openSocketIo(hasty);
      socket.send(`451-["message",${PLACEHOLDER}]`);
      socket.send(new Uint8Array(1));
      expect(await socket.next()).toMatch(/^451-\["message-back"/);
      await socket.next();
      socket.send(`452-["message",${PLACEHOLDER},{"_placeholder":true,"num":1}]`);
      socket.send(new Uint8Array(1));
      await socket.closed();
      expect(hasty.sockets.stats().closed.get('parse error')).toBe(1);
      expect(hasty.memory.stats().heldBytes).toBe(0);
    } finally {
      await hasty.close();
    }
  });

  it('of many is held within the budget: the largest goes', async () => {
    const before = ended();
    const small = await openSocketIo(server);
    small.send(`451-["message",${PLACEHOLDER},"${'a'.repeat(10_000)}"]`);
    const large: RawSocket[] = [];
    for (let i = 0; i < 10; i++) {
      const socket = await openSocketIo(server);
      socket.send(`451-["message",${PLACEHOLDER},"${'a'.repeat(200_000 + i)}"]`);
      large.push(socket);
    }
    await waitFor(() => ended().known > before.known, { what: 'the budget to be spent' });
    expect(held()).toBeLessThanOrEqual(MAX_HELD_BYTES);
    expect(ended().strangers).toBe(before.strangers);
    small.send(new Uint8Array(1));
    expect(await small.next()).toMatch(/^451-\["message-back"/);
    for (const { ws } of [small, ...large]) ws.terminate();
  });
});

describe('a POST half received', () => {
  it('is counted by the memory it takes', async () => {
    const client = await openKnown();
    const post = beginPost(client, 'Content-Length: 500000', 'x'.repeat(400_000));
    await waitFor(() => held() >= 400_000, { what: 'the body to be counted' });
    expect(held()).toBeLessThan(1_000_000);
    post.socket.destroy();
    await nothingHeld();
    const other = await openKnown();
    const whole = beginPost(other, 'Content-Length: 100001', `3${'\x1e3'.repeat(49_000)}`);
    await waitFor(() => held() > 0, { what: 'the body to be counted' });
    whole.socket.write('x'.repeat(2_000));
    await nothingHeld();
  });

  it.each([
    ['known', openKnown, 100_000],
    ['without identity', () => openPolling(server, PATH), 16_000],
  ])('in shreds costs what its bytes cost, not more: %s', async (_name, open, bytes) => {
    const post = beginPost(await open(), 'Transfer-Encoding: chunked', '1\r\n3\r\n'.repeat(bytes));
    expect(await post.closed()).toBe('');
    await nothingHeld();
  });

  it('in pieces as small as they come is taken', async () => {
    const client = await openKnown();
    const post = beginPost(client, 'Transfer-Encoding: chunked', '1\r\n3\r\n'.repeat(1));
    for (let i = 0; i < 100; i++) post.socket.write('2\r\n\x1e3\r\n');
    post.socket.write('0\r\n\r\n');
    await new Promise((resolve) => post.socket.once('data', resolve));
    post.socket.end();
    expect(await post.closed()).toMatch(/^HTTP\/1\.1 200/);
    await client.push('1');
  });
});

describe('what waits for a poll', () => {
  it('is counted until it is fetched', async () => {
    const client = await openKnown();
    await client.push(`42["message","${'a'.repeat(100_000)}"]`);
    expect(held()).toBeGreaterThan(100_000);
    expect(held()).toBeLessThan(110_000);
    await client.push(`42["message","${'b'.repeat(100_000)}"]`);
    expect(held()).toBeGreaterThan(200_000);
    expect((await client.poll()).text).toContain('bbb');
    expect(held()).toBe(0);
    await client.push('1');
  });

  it('of many is held within the budget', async () => {
    const before = ended();
    const clients: PollingClient[] = [];
    for (let i = 0; i < 10; i++) {
      const client = await openKnown();
      await client.push(`42["message","${'a'.repeat(300_000)}"]`);
      clients.push(client);
    }
    expect(ended().known).toBeGreaterThan(before.known);
    expect(held()).toBeLessThanOrEqual(MAX_HELD_BYTES);
    const left = await Promise.all(clients.map(async (client) => (await client.push('1')).status));
    expect(new Set(left)).toEqual(new Set([200, 400]));
  });
});

describe('strangers', () => {
  it('go first, and whoever is known hears nothing of it', async () => {
    const before = ended();
    const known = await openSocketIo(server);
    known.send(`451-["message",${PLACEHOLDER},"${'a'.repeat(600_000)}"]`);
    await waitFor(() => held() > 1_200_000, { what: 'the packet to be counted' });
    // Each holds what was in its request: beyond what most need, some 12 kB of query.
    const strangers: Promise<RawSocket>[] = [];
    for (let i = 0; i < 80; i++)
      strangers.push(openWebSocket(server, PATH, `&q=${'q'.repeat(8_000)}`));
    await Promise.all(strangers);
    expect(ended().strangers).toBeGreaterThan(before.strangers);
    expect(ended().known).toBe(before.known);
    expect(held()).toBeLessThanOrEqual(MAX_HELD_BYTES);
    known.send(new Uint8Array(1));
    expect(await known.next()).toMatch(/^451-\["message-back"/);
    for (const stranger of await Promise.all(strangers)) stranger.ws.terminate();
    known.ws.terminate();
  });

  it('cost nothing any more once they are known', async () => {
    const socket = await openWebSocket(server, PATH, `&q=${'q'.repeat(8_000)}`);
    expect(held()).toBeGreaterThan(10_000);
    socket.answerPings();
    socket.send('40');
    await socket.next();
    expect(held()).toBe(0);
    socket.ws.terminate();
  });
});

describe('pings of the WebSocket itself', () => {
  it('of a stranger are few', async () => {
    const socket = await openWebSocket(server, PATH);
    for (let i = 0; i < 100; i++) socket.ws.ping();
    await socket.closed();
  });

  it('are no way to fill the buffer of a client that does not read', async () => {
    const socket = await openSocketIo(server);
    socket.ws.pause();
    const flood = setInterval(() => {
      if (socket.ws.bufferedAmount > 100_000) return;
      for (let i = 0; i < 1_000; i++) socket.ws.ping('x'.repeat(125));
    }, 1);
    try {
      await waitFor(() => server.sockets.stats().closed.get('slow reader') === 1, {
        what: 'the slow reader to be closed',
        timeoutMs: 20_000,
      });
    } finally {
      clearInterval(flood);
      socket.ws.terminate();
    }
  });
});
