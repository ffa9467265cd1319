// Engine.IO protocol, version 4, "Sending and receiving data", "Message" and "Packet encoding".

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import { openPolling, openWebSocket, rawSocket, startServer, wsUrl } from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  // Long pings: what is under test here is messages.
  server = await startServer({ limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 } });
});
afterAll(() => server.close());

describe('HTTP long-polling', () => {
  it('sends and receives a payload containing one plain text packet', async () => {
    const client = await openPolling(server);
    const pushed = await client.push('4hello');
    expect(pushed).toMatchObject({ status: 200, text: 'ok' });
    expect(pushed.headers.get('content-type')).toBe('text/html');
    expect(await client.poll()).toMatchObject({ status: 200, text: '4hello' });
  });

  it('sends and receives a payload containing several plain text packets', async () => {
    const client = await openPolling(server);
    expect((await client.push('4test1\x1e4test2\x1e4test3')).text).toBe('ok');
    expect((await client.poll()).text).toBe('4test1\x1e4test2\x1e4test3');
  });

  it('sends and receives a payload containing plain text and binary packets', async () => {
    const client = await openPolling(server);
    expect((await client.push('4hello\x1ebAQIDBA==')).text).toBe('ok');
    expect((await client.poll()).text).toBe('4hello\x1ebAQIDBA==');
  });

  it('keeps text beyond ASCII', async () => {
    const client = await openPolling(server);
    await client.push('4é€😀');
    expect((await client.poll()).text).toBe('4é€😀');
  });

  it('answers a GET that waits as soon as there is a packet', async () => {
    const client = await openPolling(server);
    const polled = client.poll();
    await client.push('4one\x1e4two');
    expect((await polled).text).toBe('4one\x1e4two');
  });

  it('takes a body that arrives in pieces', async () => {
    const client = await openPolling(server);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async start(controller) {
        for (const piece of ['4he', 'llo\x1e', '4wor', 'ld']) {
          controller.enqueue(encoder.encode(piece));
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.close();
      },
    });
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' };
    expect((await client.push('', init)).text).toBe('ok');
    expect((await client.poll()).text).toBe('4hello\x1e4world');
  });

  it.each([
    ['an unknown packet type', 'abc'],
    ['an empty body', ''],
    ['an empty packet between two', '4a\x1e\x1e4b'],
    ['bad base64', 'b!!!'],
    ['a client ping', '2'],
  ])('closes the session upon %s', async (_name, body) => {
    const client = await openPolling(server);
    expect((await client.push(body)).status).toBe(400);
    expect((await client.poll()).status).toBe(400);
  });

  it('handles a payload all or not at all', async () => {
    const client = await openPolling(server);
    const polled = client.poll();
    expect((await client.push('4good\x1ebad base64\x1e?')).status).toBe(400);
    expect((await polled).text).toBe('1');
  });

  it('closes the session upon a body of type application/octet-stream', async () => {
    const client = await openPolling(server);
    const headers = { 'content-type': 'application/octet-stream' };
    expect((await client.push('4hello', { headers })).status).toBe(400);
    expect((await client.poll()).status).toBe(400);
  });

  it('closes the session upon overlapping GETs', async () => {
    const client = await openPolling(server);
    const first = client.poll();
    // The second must be the later one: it is sent when the first is known to wait.
    await client.push('3');
    const second = await client.poll();
    expect(await first).toMatchObject({ status: 200, text: '1' });
    expect(second.status).toBe(400);
    expect((await client.poll()).status).toBe(400);
  });

  it('closes the session upon overlapping POSTs', async () => {
    const client = await openPolling(server);
    let finish = (): void => undefined;
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('4slow'));
        finish = () => controller.close();
      },
    });
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' };
    const first = client.push('', init).catch((error: unknown) => error);
    // The first has no answer yet that would tell that it has arrived: push until it overlaps.
    await waitFor(async () => (await client.push('4fast')).status === 400, { what: 'an overlap' });
    finish();
    expect(await first).not.toMatchObject({ status: 200 });
    expect((await client.poll()).status).toBe(400);
  });

  it('closes the session upon a cancelled GET', async () => {
    const client = await openPolling(server);
    const abort = new AbortController();
    const polled = client.poll({ signal: abort.signal }).catch(() => 'cancelled');
    await client.push('3'); // The GET has been sent before this.
    abort.abort();
    expect(await polled).toBe('cancelled');
    await waitFor(async () => (await client.push('3')).status === 400, { what: 'the close' });
  });

  it('gives each packet once, in order, whatever the rhythm of GETs and POSTs', async () => {
    const client = await openPolling(server);
    const sent = Array.from({ length: 100 }, (_, i) => `4m${i}`);
    const received: string[] = [];
    const polls = (async () => {
      while (received.length < sent.length) {
        received.push(...(await client.poll()).text.split('\x1e'));
      }
    })();
    for (let i = 0; i < sent.length; i += 1 + (i % 3)) {
      await client.push(sent.slice(i, i + 1 + (i % 3)).join('\x1e'));
    }
    await polls;
    expect(received).toEqual(sent);
  });
});

describe('WebSocket', () => {
  it('sends and receives a plain text packet', async () => {
    const socket = await openWebSocket(server);
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });

  it('sends and receives a binary packet', async () => {
    const socket = await openWebSocket(server);
    socket.send(Uint8Array.of(1, 2, 3, 4));
    expect(await socket.next()).toEqual(Buffer.of(1, 2, 3, 4));
    socket.ws.close();
  });

  it('takes base64 binary in a text frame', async () => {
    const socket = await openWebSocket(server);
    socket.send('bAQIDBA==');
    expect(await socket.next()).toEqual(Buffer.of(1, 2, 3, 4));
    socket.ws.close();
  });

  it('keeps the order of text and binary', async () => {
    const socket = await openWebSocket(server);
    for (let i = 0; i < 50; i++) socket.send(i % 2 === 0 ? `4${i}` : Uint8Array.of(i));
    for (let i = 0; i < 50; i++) {
      expect(await socket.next()).toEqual(i % 2 === 0 ? `4${i}` : Buffer.of(i));
    }
    socket.ws.close();
  });

  it.each([
    ['an unknown packet type', 'abc'],
    ['an empty frame', ''],
    ['bad base64', 'b!!!'],
    ['a client ping', '2'],
    ['a client ping with a payload', '2probe'],
  ])('closes the session upon %s', async (_name, frame) => {
    const socket = await openWebSocket(server);
    socket.send(frame);
    expect(await socket.closed()).toBe(1005);
    expect(await rawSocket(wsUrl(server, socket.open.sid)).closed()).toBe(1006); // Unknown sid.
  });

  it.each(['0{}', '5', '6'])('does nothing about a stray %s', async (frame) => {
    const socket = await openWebSocket(server);
    socket.send(frame);
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });
});

describe('maxPayload', () => {
  it('takes a POST of exactly that many bytes and answers 413 to one more', async () => {
    const client = await openPolling(server);
    expect((await client.push(`4${'x'.repeat(999_999)}`)).text).toBe('ok');
    expect((await client.poll()).text).toHaveLength(1_000_000);
    const refused = await client.push(`4${'x'.repeat(1_000_000)}`);
    expect(refused.status).toBe(413);
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    expect((await client.poll()).status).toBe(400);
  });

  it('counts a body that does not announce its length while it streams', async () => {
    const client = await openPolling(server);
    const chunk = new TextEncoder().encode('4'.repeat(100_000));
    let sent = 0;
    const body = new ReadableStream({
      // Fifty times too much, but not without end: where the connection has broken, fetch of Node reads on to
      // the end of it, and in the turns of this pull alone would let nothing else happen.
      async pull(controller) {
        await new Promise((resolve) => setImmediate(resolve));
        if (sent === 500) return controller.close();
        sent += 1;
        controller.enqueue(chunk);
      },
    });
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' };
    // The connection may break while the client still writes: either way it is not taken.
    const outcome = await client.push('', init).then(
      (answer) => answer.status,
      () => 'broken',
    );
    expect([413, 'broken']).toContain(outcome);
    expect((await client.poll()).status).toBe(400);
  });

  it('takes a frame of exactly that many bytes and closes upon one more', async () => {
    const socket = await openWebSocket(server);
    socket.send(`4${'x'.repeat(999_999)}`);
    expect(await socket.next()).toHaveLength(1_000_000);
    socket.send(`4${'x'.repeat(1_000_000)}`);
    expect(await socket.closed()).toBe(1006);
  });

  it('splits what waits for a GET into responses of at most that many bytes', async () => {
    const client = await openPolling(server);
    const packet = `4${'y'.repeat(299_999)}`;
    for (let i = 0; i < 3; i++) await client.push(packet);
    await client.push('4last');
    expect((await client.poll()).text).toBe(`${packet}\x1e${packet}\x1e${packet}\x1e4last`);
    for (let i = 0; i < 2; i++) await client.push(`4${'z'.repeat(519_999)}`);
    expect((await client.poll()).text).toHaveLength(520_000);
    expect((await client.poll()).text).toHaveLength(520_000);
  });
});
