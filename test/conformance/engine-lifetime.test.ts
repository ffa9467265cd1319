// Engine.IO protocol, version 4, "Heartbeat", and the close from either side.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import { openPolling, openSocketIo, openWebSocket, startServer } from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** A loaded machine is late; nothing is ever early. The wheel's own tests are exact. */
const LATE_MS = 1_000;

/** Time since before the session was opened, and since it surely was. */
async function timed<T>(open: () => Promise<T>) {
  const beforeMs = performance.now();
  const opened = await open();
  const afterMs = performance.now();
  return {
    opened,
    expectElapsed(ms: number): void {
      expect(performance.now() - beforeMs).toBeGreaterThan(ms - 30);
      expect(performance.now() - afterMs).toBeLessThan(ms + LATE_MS);
    },
  };
}

describe('heartbeat over HTTP long-polling', () => {
  it('sends ping packets and stays open while they are answered', async () => {
    const { opened: client, expectElapsed } = await timed(() => openPolling(server));
    for (let i = 1; i <= 4; i++) {
      expect(await client.poll()).toMatchObject({ status: 200, text: '2' });
      expectElapsed(i * 300);
      expect((await client.push('3')).text).toBe('ok');
    }
  });

  it('closes the session upon ping timeout', async () => {
    const { opened: client, expectElapsed } = await timed(() => openPolling(server));
    expect((await client.poll()).text).toBe('2');
    // The next GET is released by the close.
    expect((await client.poll()).text).toBe('1');
    expectElapsed(500);
    expect((await client.poll()).status).toBe(400);
  });

  it('closes a session that never polls, within interval plus timeout', async () => {
    const { opened: client, expectElapsed } = await timed(() => openPolling(server));
    // PUT is refused without touching the session: with code 1 once there is none.
    const gone = async () => (await client.poll({ method: 'PUT' })).text.includes('"code":1');
    await waitFor(gone, { what: 'the ping timeout' });
    expectElapsed(500);
  });
});

describe('heartbeat over WebSocket', () => {
  it('sends ping packets and stays open while they are answered', async () => {
    const { opened: socket, expectElapsed } = await timed(() => openWebSocket(server));
    for (let i = 1; i <= 4; i++) {
      expect(await socket.next()).toBe('2');
      expectElapsed(i * 300);
      socket.send('3');
    }
    socket.ws.close();
  });

  it('closes the session upon ping timeout', async () => {
    const { opened: socket, expectElapsed } = await timed(() => openWebSocket(server));
    expect(await socket.next()).toBe('2');
    expect(await socket.closed()).toBe(1005);
    expectElapsed(500);
  });

  it('pings many sessions opened at different times each in its own rhythm', async () => {
    const sockets = [];
    for (let i = 0; i < 20; i++) sockets.push(await timed(() => openWebSocket(server)));
    await Promise.all(
      sockets.map(async ({ opened: socket, expectElapsed }) => {
        for (let i = 1; i <= 3; i++) {
          expect(await socket.next()).toBe('2');
          expectElapsed(i * 300);
          socket.send('3');
        }
        socket.ws.close();
      }),
    );
  });
});

describe('close', () => {
  it('by a polling client releases its GET with a noop', async () => {
    const client = await openPolling(server);
    const [polled, pushed] = await Promise.all([client.poll(), client.push('1')]);
    expect(pushed.text).toBe('ok');
    // Whichever of the two requests came first.
    expect([200, 400]).toContain(polled.status);
    if (polled.status === 200) expect(polled.text).toBe('6');
    expect((await client.poll()).status).toBe(400);
  });

  it('by a polling client ends the payload: packets behind it are not handled', async () => {
    const client = await openPolling(server);
    const polled = client.poll();
    await client.push('3');
    expect((await client.push('1\x1e4ignored')).text).toBe('ok');
    expect((await polled).text).toBe('6');
  });

  it('by a WebSocket client', async () => {
    const socket = await openWebSocket(server);
    socket.send('1');
    socket.send('4ignored');
    expect(await socket.closed()).toBe(1005);
  });

  it('by a WebSocket client that just goes', async () => {
    const before = server.engine.stats().sessions;
    const socket = await openWebSocket(server);
    expect(server.engine.stats().sessions).toBe(before + 1);
    socket.ws.terminate();
    await waitFor(() => server.engine.stats().sessions === before, { what: 'the close' });
  });

  it('by the server reaches a waiting GET as a close packet', async () => {
    const other = await startServer();
    const client = await openPolling(other);
    const polled = client.poll();
    await client.push('3');
    await other.engine.close();
    expect(await polled).toMatchObject({ status: 200, text: '1' });
    await other.close();
  });

  it('by the server waits for the next GET of a client that has none', async () => {
    const client = await openPolling(server, '/socket.io/');
    await client.push('40');
    await client.poll(); // 40{"sid":"…"}, 42["auth",{}]
    await client.push('41\x1e42["message"]'); // An event after the end is a violation.
    expect((await client.poll()).text).toBe('1');
    expect((await client.poll()).status).toBe(400);
  });

  it('by the server over WebSocket', async () => {
    const other = await startServer();
    const socket = await openSocketIo(other);
    await other.sockets.close();
    expect(await socket.closed()).toBe(1005);
    await other.close();
  });

  it('by the server is forgotten when no GET comes within closeTimeoutMs', async () => {
    const other = await startServer({ limits: { closeTimeoutMs: 100, pingIntervalMs: 10_000 } });
    const client = await openPolling(other, '/socket.io/');
    await client.push('40');
    await client.push('41\x1e42["message"]');
    expect(other.sockets.stats().sessions).toBe(1);
    await waitFor(() => other.sockets.stats().sessions === 0, { what: 'the session to go' });
    expect((await client.poll()).text).toContain('"code":1');
    await other.close();
  });
});
