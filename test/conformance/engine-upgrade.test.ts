// Engine.IO protocol, version 4, "Upgrade".

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import {
  opened,
  openPolling,
  openWebSocket,
  type PollingClient,
  type RawSocket,
  rawSocket,
  startServer,
  wsUrl,
} from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer({
    limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, upgradeTimeoutMs: 300 },
  });
});
afterAll(() => server.close());

async function probe(client: PollingClient): Promise<RawSocket> {
  const socket = rawSocket(wsUrl(server, client.sid));
  await opened(socket);
  socket.send('2probe');
  expect(await socket.next()).toBe('3probe');
  return socket;
}

async function upgraded(): Promise<{ client: PollingClient; socket: RawSocket }> {
  const client = await openPolling(server);
  const socket = await probe(client);
  socket.send('5');
  socket.send('4done');
  expect(await socket.next()).toBe('4done');
  return { client, socket };
}

describe('upgrade', () => {
  it('successfully upgrades from HTTP long-polling to WebSocket', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    expect(await client.poll()).toMatchObject({ status: 200, text: '6' });
    socket.send('5');
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });

  it('releases a GET that waits when the probe comes', async () => {
    const client = await openPolling(server);
    const polled = client.poll();
    await client.push('3');
    const socket = await probe(client);
    expect((await polled).text).toBe('6');
    socket.ws.close();
  });

  it('goes on over polling until the upgrade packet', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    await client.push('4over polling');
    expect((await client.poll()).text).toBe('4over polling');
    socket.ws.close();
  });

  it('flushes what waits once and in order after the upgrade packet', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    await client.push('4one\x1ebAQI=\x1e4three');
    socket.send('5');
    socket.send('4four');
    expect(await socket.next()).toBe('4one');
    expect(await socket.next()).toEqual(Buffer.of(1, 2));
    expect(await socket.next()).toBe('4three');
    expect(await socket.next()).toBe('4four');
    socket.ws.close();
  });

  it('ignores HTTP requests with the same sid afterwards', async () => {
    const { client, socket } = await upgraded();
    expect(JSON.parse((await client.poll()).text).code).toBe(3);
    expect((await client.push('4ignored')).status).toBe(400);
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });

  it('closes another WebSocket with the same sid, afterwards and meanwhile', async () => {
    const { client, socket } = await upgraded();
    expect(await rawSocket(wsUrl(server, client.sid)).closed()).toBe(1005);
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();

    const second = await openPolling(server);
    const probing = await probe(second);
    expect(await rawSocket(wsUrl(server, second.sid)).closed()).toBe(1005);
    probing.send('5');
    probing.send('4hello');
    expect(await probing.next()).toBe('4hello');
    probing.ws.close();
  });

  it('closes another WebSocket for a session that began as one', async () => {
    const socket = await openWebSocket(server);
    expect(await rawSocket(wsUrl(server, socket.open.sid)).closed()).toBe(1005);
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });

  it.each(['4hello', '2', '3probe', 'abc', '2probe '])(
    'closes a probe that says %s, and the session goes on over polling',
    async (frame) => {
      const client = await openPolling(server);
      const socket = rawSocket(wsUrl(server, client.sid));
      await opened(socket);
      socket.send(frame);
      expect(await socket.closed()).toBe(1005);
      await client.push('4hello');
      expect((await client.poll()).text).toBe('4hello');
    },
  );

  it('closes a probe that does not upgrade in time; another may try again', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    expect(await socket.closed()).toBe(1005);
    const again = await probe(client);
    again.send('5');
    again.send('4hello');
    expect(await again.next()).toBe('4hello');
    again.ws.close();
  });

  it('goes on over polling when the probe goes away', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    socket.ws.terminate();
    await client.push('4hello');
    expect((await client.poll()).text).toBe('4hello');
  });

  it('closes the probe with its session', async () => {
    const client = await openPolling(server);
    const socket = await probe(client);
    await client.push('1');
    expect(await socket.closed()).toBe(1005);
  });

  it('keeps the heartbeat through the upgrade', async () => {
    const beating = await startServer();
    const client = await openPolling(beating);
    const socket = rawSocket(wsUrl(beating, client.sid));
    await opened(socket);
    socket.send('2probe');
    expect(await socket.next()).toBe('3probe');
    socket.send('5');
    for (let i = 0; i < 3; i++) {
      expect(await socket.next()).toBe('2');
      socket.send('3');
    }
    expect(await socket.next()).toBe('2');
    expect(await socket.closed()).toBe(1005); // Unanswered.
    await beating.close();
  });
});
