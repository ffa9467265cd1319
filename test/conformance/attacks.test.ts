// Known attacks on socket.io-parser, engine.io and ws, and their kin: each ends at most its own
// connection, at once, and leaves the process healthy.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import {
  collectingLog,
  opened,
  openPolling,
  openSocketIo,
  openWebSocket,
  pollUrl,
  type RawSocket,
  rawExchange,
  rawSocket,
  request,
  startServer,
  wsUrl,
} from './support.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const log = collectingLog();
let server: ConformanceServer;
let witness: RawSocket;
beforeAll(async () => {
  server = await startServer({
    log,
    limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, maxAttachmentBytes: 100_000 },
  });
  witness = await openSocketIo(server);
});
afterAll(() => server.close());

let n = 0;
/** After every attack: somebody else is served as before, and nothing of ours failed. */
afterEach(async () => {
  witness.send(`42["message",${++n}]`);
  expect(await witness.next()).toBe(`42["message-back",${n}]`);
  expect(log.errors).toEqual([]);
});

/** How long the server is busy at most with what an attacker sent, generously. */
const QUICK_MS = 3_000;

async function closesQuickly(socket: RawSocket, frames: readonly (string | Uint8Array)[]) {
  const startedMs = performance.now();
  for (const frame of frames) socket.send(frame);
  await socket.closed();
  expect(performance.now() - startedMs).toBeLessThan(QUICK_MS);
}

describe('socket.io-parser', () => {
  it('CVE-2022-2421: a placeholder that overwrites functions of the attachment list', async () => {
    const socket = await openSocketIo(server);
    await closesQuickly(socket, [
      '451-["message",{"_placeholder":true,"num":"splice"}]',
      Uint8Array.of(1),
    ]);
  });

  it.each([
    '42[{"toString":"foo"}]',
    '451-[{"_placeholder":true,"num":0}]',
    '42[["connect"]]',
    '42[true]',
  ])('CVE-2023-32695, CVE-2024-38355: an event whose name is no name: %s', async (frame) => {
    const socket = await openSocketIo(server);
    await closesQuickly(socket, [frame, Uint8Array.of(1)]);
  });

  it('an event named error is an event like any other', async () => {
    const socket = await openSocketIo(server);
    socket.send('42["error","boom"]');
    socket.send('42["message"]');
    expect(await socket.next()).toBe('42["message-back"]');
    socket.ws.close();
  });

  it.each(['45999999999-["message"]', '4511-["message"]', '450-["message"]', '45-1-["message"]'])(
    'CVE-2026-33151: attachments without bound or none: %s',
    async (frame) => {
      await closesQuickly(await openSocketIo(server), [frame]);
    },
  );

  it('attachments that together are larger than their bound', async () => {
    const socket = await openSocketIo(server);
    const args = Array.from({ length: 3 }, (_, num) => ({ _placeholder: true, num }));
    await closesQuickly(socket, [
      `453-${JSON.stringify(['message', ...args])}`,
      new Uint8Array(60_000),
      new Uint8Array(60_000),
    ]);
  });

  it.each([
    ['arrays', `42["message",${'['.repeat(900_000)}`],
    ['closed arrays', `42["message",${'['.repeat(490_000)}${']'.repeat(490_000)}]`],
    ['objects', `42["message",${'{"a":'.repeat(190_000)}`],
    ['CONNECT payloads', `40/custom,${'{"a":'.repeat(190_000)}`],
  ])('JSON that is a million levels deep: %s', async (_name, frame) => {
    await closesQuickly(await openSocketIo(server), [frame]);
  });

  it.each([
    ['digits of an ack id', `42${'1'.repeat(990_000)}["message"]`],
    ['digits of an attachment count', `45${'1'.repeat(990_000)}-["message"]`],
    ['a namespace', `40/${'a'.repeat(990_000)}`],
    ['an event name', `42["${'a'.repeat(990_000)}"]`],
  ])('endless %s', async (_name, frame) => {
    await closesQuickly(await openSocketIo(server), [frame]);
  });
});

describe('names of the prototype', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    '%s is a harmless event, namespace, sid and payload',
    async (name) => {
      const socket = await openSocketIo(server);
      socket.send(`42["${name}",{"${name}":{"polluted":true}}]`);
      socket.send(`40/${name},{"${name}":{"polluted":true}}`);
      expect(await socket.next()).toBe(`44/${name},{"message":"Invalid namespace"}`);
      socket.send(`421["message-with-ack",{"${name}":{"polluted":true}}]`);
      expect(await socket.next()).toBe(`431[{"${name}":{"polluted":true}}]`);
      socket.ws.close();
      expect((await request(pollUrl(server, name))).status).toBe(400);
      expect(await rawSocket(wsUrl(server, name)).closed()).toBe(1006);
      expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    },
  );
});

describe('engine.io', () => {
  it('CVE-2020-36048: many small packets in one POST take linear time', async () => {
    const client = await openPolling(server);
    const startedMs = performance.now();
    // As many as the bound allows, then more than that.
    expect((await client.push(`${'3\x1e'.repeat(16_383)}3`)).text).toBe('ok');
    expect((await client.push(`${'3\x1e'.repeat(16_384)}3`)).status).toBe(400);
    expect(performance.now() - startedMs).toBeLessThan(QUICK_MS);
  });

  it('CVE-2022-21676: a probe of an unknown session', async () => {
    const socket = rawSocket(wsUrl(server, 'unknown'));
    expect(await socket.closed()).toBe(1006);
    const gone = await openPolling(server);
    const probe = rawSocket(wsUrl(server, gone.sid));
    await opened(probe);
    probe.send('2probe');
    await probe.next();
    await gone.push('1');
    await probe.closed();
  });

  it('CVE-2022-41940: a WebSocket handshake that breaks off at once', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        'GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        () => socket.resetAndDestroy(),
      );
      await new Promise((resolve) => socket.once('close', resolve));
    }
    await waitFor(() => server.engine.stats().sessions === 0, { what: 'the sessions to end' });
  });

  it('an upgrade to a session whose POST is still under way', async () => {
    const client = await openPolling(server);
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST /engine.io/?EIO=4&transport=polling&sid=${client.sid} HTTP/1.1\r\nHost: x\r\n` +
        'Content-Length: 100\r\n\r\n4half',
    );
    const probe = rawSocket(wsUrl(server, client.sid));
    await opened(probe);
    probe.send('2probe');
    await probe.next();
    probe.send('5');
    probe.send('4hello');
    expect(await probe.next()).toBe('4hello');
    socket.destroy();
    // A POST that is broken off ends a session; this one had left polling before.
    for (let i = 0; i < 10; i++) {
      probe.send(`4${i}`);
      expect(await probe.next()).toBe(`4${i}`);
    }
    probe.ws.terminate();
  });
});

describe('WebSocket and HTTP', () => {
  it('CVE-2024-37890: too many headers are answered at once', async () => {
    const headers = Array.from({ length: 2_000 }, (_, i) => `x${i}: 1\r\n`).join('');
    const startedMs = performance.now();
    await rawExchange(
      server.port,
      'GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
        `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${headers}` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ).catch(() => 'reset');
    expect(performance.now() - startedMs).toBeLessThan(QUICK_MS);
  });

  it.each([
    ['text that is not UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])],
    ['a reserved opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
    ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0])],
    ['a length beyond reason', Buffer.from([0x81, ...new Array(13).fill(0xff)])],
    ['a fragmented control frame', Buffer.from([0x09, 0x80, 0, 0, 0, 0])],
  ])('%s closes the connection', async (_name, bytes) => {
    const answer = await rawExchange(
      server.port,
      'GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n' +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      bytes,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 101/);
  });

  it('a POST that is not UTF-8 ends the session', async () => {
    const client = await openPolling(server);
    const answer = await request(pollUrl(server, client.sid), {
      method: 'POST',
      body: Buffer.from([0x34, 0xc3, 0x28]),
    });
    expect(answer.status).toBe(400);
    expect((await request(pollUrl(server, client.sid))).status).toBe(400);
  });

  it('a flood of pings and pongs of the WebSocket itself', async () => {
    const socket = await openWebSocket(server);
    for (let i = 0; i < 1_000; i++) socket.ws.ping('x'.repeat(100));
    socket.send('4hello');
    expect(await socket.next()).toBe('4hello');
    socket.ws.close();
  });

  it('requests that are no requests', async () => {
    for (const bytes of ['\r\n\r\n', 'GET\r\n\r\n', '\0'.repeat(100), 'x'.repeat(10_000)]) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
      socket.destroy();
    }
  });
});

it('a thousand sessions that come and go leave nothing behind, the heap included', async () => {
  const beforeBytes = usedHeapBytes();
  for (let round = 0; round < 20; round++) {
    const sockets = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        if (i % 2 === 0) return openWebSocket(server);
        const client = await openPolling(server);
        await client.push('1');
        return undefined;
      }),
    );
    for (const socket of sockets) socket?.ws.terminate();
  }
  await waitFor(() => server.engine.stats().sessions === 0, { what: 'all sessions to end' });
  // A kilobyte for each would be a megabyte; the rest is the test's own client.
  await waitFor(() => usedHeapBytes() - beforeBytes < 8_000_000, { what: 'a flat heap' });
});

function usedHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
