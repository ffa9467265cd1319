// The stock client, as users have it.

import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { startServer } from '../conformance/support.ts';
import { once, waitFor } from '../support/wait.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer({ limits: { pingIntervalMs: 300, pingTimeoutMs: 3_000 } });
});
afterAll(() => server.close());

const clients: Socket[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

type Options = Partial<ManagerOptions & SocketOptions>;

async function connect(options: Options = {}, namespace = ''): Promise<Socket> {
  const client = io(`http://127.0.0.1:${server.port}${namespace}`, {
    forceNew: true,
    reconnectionDelay: 50,
    auth: { token: 'abc' },
    ...options,
  });
  clients.push(client);
  await Promise.all([once(client, 'connect'), once(client, 'auth')]);
  return client;
}

const transportOf = (client: Socket): string | undefined => client.io.engine.transport.name;

describe.each<[string, Options, string]>([
  ['polling only', { transports: ['polling'] }, 'polling'],
  ['websocket only', { transports: ['websocket'] }, 'websocket'],
  ['the default transports', {}, 'websocket'],
  ['forceBase64 over polling', { transports: ['polling'], forceBase64: true }, 'polling'],
  ['forceBase64 over websocket', { transports: ['websocket'], forceBase64: true }, 'websocket'],
  ['upgrade: false', { upgrade: false }, 'polling'],
  ['rememberUpgrade', { rememberUpgrade: true }, 'websocket'],
])('with %s', (_name, options, transport) => {
  it('connects, settles on its transport, and stays through heartbeats', async () => {
    const client = await connect(options);
    await waitFor(() => transportOf(client) === transport, { what: transport });
    let beats = 0;
    client.io.on('ping', () => beats++);
    await waitFor(() => beats >= 3, { what: 'three heartbeats' });
    expect(client.connected).toBe(true);
  });

  it('exchanges events and acknowledgements in order, text and binary', async () => {
    const client = await connect(options);
    const received: unknown[] = [];
    client.on('message-back', (...args: unknown[]) => received.push(args));
    const sent = Array.from({ length: 50 }, (_, i) =>
      i % 5 === 0 ? [i, Buffer.from([i, 255])] : [i, 'é€😀', { deep: [true, null] }],
    );
    for (const args of sent) client.emit('message', ...args);
    await waitFor(() => received.length === sent.length, { what: 'all echoes' });
    expect(received).toEqual(sent);
    expect(await client.timeout(5_000).emitWithAck('message-with-ack', 'x')).toBe('x');
    const bytes = Buffer.from('binary');
    expect(await client.timeout(5_000).emitWithAck('message-with-ack', { bytes })).toEqual({
      bytes,
    });
  });
});

it('loses, doubles and reorders nothing while it upgrades', async () => {
  for (let round = 0; round < 5; round++) {
    const client = await connect();
    const received: unknown[] = [];
    client.on('message-back', (i: unknown) => received.push(i));
    let sent = 0;
    // Send without a pause until well after the upgrade.
    while (transportOf(client) !== 'websocket' || sent < 200) {
      client.emit('message', sent++);
      await new Promise((resolve) => setImmediate(resolve));
      if (sent > 50_000) throw new Error('never upgraded');
    }
    await waitFor(() => received.length >= sent, { what: 'all echoes' });
    expect(received).toEqual(Array.from({ length: sent }, (_, i) => i));
    client.disconnect();
  }
});

it('retries with retries and ackTimeout', async () => {
  const client = await connect({ retries: 3, ackTimeout: 2_000 });
  expect(await client.emitWithAck('message-with-ack', 'once')).toBe('once');
});

it('times out when the server does not acknowledge', async () => {
  const client = await connect();
  await expect(client.timeout(50).emitWithAck('unknown-event')).rejects.toThrow('timed out');
});

it('uses several namespaces on one connection', async () => {
  await waitFor(() => server.sockets.stats().sessions === 0, { what: 'the end of others' });
  const main = await connect({ forceNew: true, transports: ['websocket'] });
  const custom = main.io.socket('/custom', { auth: { other: true } });
  clients.push(custom);
  const [auth] = await once(custom, 'auth');
  expect(auth).toEqual({ other: true });
  expect(server.sockets.stats().sessions).toBe(1);
  expect(await custom.emitWithAck('message-with-ack', 1)).toBe(1);
  main.disconnect();
  expect(await custom.emitWithAck('message-with-ack', 2)).toBe(2);
});

it('gets connect_error for an unknown namespace', async () => {
  const client = io(`http://127.0.0.1:${server.port}/nowhere`, { forceNew: true });
  clients.push(client);
  const [error] = await once<[Error]>(client, 'connect_error');
  expect(error.message).toBe('Invalid namespace');
});

it.each<[string, Options]>([
  ['polling', { transports: ['polling'] }],
  ['websocket', { transports: ['websocket'] }],
])('disconnects over %s, and the server forgets it', async (_name, options) => {
  const before = server.sockets.socketCount;
  const client = await connect(options);
  expect(server.sockets.socketCount).toBe(before + 1);
  client.disconnect();
  await waitFor(() => server.sockets.socketCount === before, { what: 'the disconnect' });
});
