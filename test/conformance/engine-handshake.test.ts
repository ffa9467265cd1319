// Engine.IO protocol, version 4, "Handshake", and the checks every request goes through.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import {
  openPolling,
  openWebSocket,
  parseOpen,
  pollUrl,
  rawExchange,
  rawSocket,
  request,
  startServer,
  wsUrl,
} from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const base = (query: string): string => `http://127.0.0.1:${server.port}/engine.io/${query}`;

/** The HTTP answer to a WebSocket request with this query. */
async function upgradeAnswer(query: string, headers = ''): Promise<string> {
  return rawExchange(
    server.port,
    `GET /engine.io/${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
  );
}

describe('HTTP long-polling', () => {
  it('successfully opens a session', async () => {
    const { status, text, headers } = await request(pollUrl(server));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; charset=UTF-8');
    const open = parseOpen(text);
    expect(Object.keys(open)).toEqual([
      'sid',
      'upgrades',
      'pingInterval',
      'pingTimeout',
      'maxPayload',
    ]);
    expect(open).toMatchObject({
      upgrades: ['websocket'],
      pingInterval: 300,
      pingTimeout: 200,
      maxPayload: 1_000_000,
    });
    expect(open.sid).toMatch(/^[\w-]{20}$/);
  });

  it.each([
    ['without EIO', '?transport=polling', 400, 5, 'Unsupported protocol version'],
    ['with EIO=abc', '?EIO=abc&transport=polling', 400, 5, 'Unsupported protocol version'],
    ['with EIO=3', '?EIO=3&transport=polling', 400, 5, 'Unsupported protocol version'],
    ['without transport', '?EIO=4', 400, 0, 'Transport unknown'],
    ['with an unknown transport', '?EIO=4&transport=abc', 400, 0, 'Transport unknown'],
    ['with transport=__proto__', '?EIO=4&transport=__proto__', 400, 0, 'Transport unknown'],
    ['without a query', '', 400, 0, 'Transport unknown'],
    [
      'with transport=websocket but no upgrade',
      '?EIO=4&transport=websocket',
      400,
      3,
      'Bad request',
    ],
    ['with an unknown sid', '?EIO=4&transport=polling&sid=abc', 400, 1, 'Session ID unknown'],
    ['with sid=__proto__', '?EIO=4&transport=polling&sid=__proto__', 400, 1, 'Session ID unknown'],
    [
      'with sid=constructor',
      '?EIO=4&transport=polling&sid=constructor',
      400,
      1,
      'Session ID unknown',
    ],
  ])('fails %s', async (_name, query, status, code, message) => {
    const answer = await request(base(query));
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ code, message });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('fails with %s without a sid', async (method) => {
    const answer = await request(pollUrl(server), { method });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({ code: 2, message: 'Bad handshake method' });
  });

  it('answers HEAD without a body', async () => {
    const answer = await request(pollUrl(server), { method: 'HEAD' });
    expect(answer.status).toBe(400);
    expect(answer.text).toBe('');
  });

  it('refuses other methods with a sid and leaves the session alone', async () => {
    const client = await openPolling(server);
    const answer = await request(pollUrl(server, client.sid), { method: 'PUT' });
    expect(answer.status).toBe(400);
    expect((await client.push('4still here')).text).toBe('ok');
  });

  it('takes the last of a repeated query key', async () => {
    expect((await request(base('?EIO=3&EIO=4&transport=polling'))).status).toBe(200);
    expect((await request(base('?EIO=4&EIO=3&transport=polling'))).status).toBe(400);
  });

  it('decodes a percent-encoded query and bears odd escapes', async () => {
    expect((await request(base('?%45IO=%34&transport=poll%69ng'))).status).toBe(200);
    const odd = '?EIO=4&transport=polling&x=%zz&y=%&z=%ff&&=&a';
    const answer = await rawExchange(
      server.port,
      `GET /engine.io/${odd} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toContain('200 OK');
  });

  it('refuses a query longer than its bound', async () => {
    const answer = await request(base(`?EIO=4&transport=polling&x=${'y'.repeat(9_000)}`));
    expect(answer.status).toBe(414);
  });

  it('answers below its path too, and nowhere else', async () => {
    expect((await request(base('some/where?EIO=4&transport=polling'))).status).toBe(200);
    const outside = await rawExchange(
      server.port,
      'GET /engine.iox?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(outside).not.toContain('200 OK');
  });
});

describe('WebSocket', () => {
  it('successfully opens a session', async () => {
    const socket = await openWebSocket(server);
    expect(Object.keys(socket.open)).toEqual([
      'sid',
      'upgrades',
      'pingInterval',
      'pingTimeout',
      'maxPayload',
    ]);
    expect(socket.open).toMatchObject({
      upgrades: [],
      pingInterval: 300,
      pingTimeout: 200,
      maxPayload: 1_000_000,
    });
    socket.ws.close();
  });

  it.each([
    ['without EIO', '?transport=websocket', 5],
    ['with EIO=abc', '?EIO=abc&transport=websocket', 5],
    ['with EIO=3', '?EIO=3&transport=websocket', 5],
    ['without transport', '?EIO=4', 0],
    ['with an unknown transport', '?EIO=4&transport=abc', 0],
    ['with transport=polling', '?EIO=4&transport=polling', 3],
    ['with an unknown sid', '?EIO=4&transport=websocket&sid=abc', 1],
  ])('fails %s with an HTTP answer', async (_name, query, code) => {
    const answer = await upgradeAnswer(query);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain(`{"code":${code},`);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  it('closes the connection of a client that did not expect the refusal', async () => {
    const socket = rawSocket(wsUrl(server).replace('EIO=4', 'EIO=3'));
    expect(await socket.closed()).toBe(1006);
  });

  it('refuses a WebSocket of another version', async () => {
    const answer = await rawExchange(
      server.port,
      'GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
  });

  it('answers an offer of subprotocols with the first', async () => {
    const { WebSocket } = await import('ws');
    const ws = new WebSocket(wsUrl(server), ['one', 'two']);
    await new Promise((resolve) => ws.once('open', resolve));
    expect(ws.protocol).toBe('one');
    ws.close();
  });

  it('knows its sessions from those of the other path', async () => {
    const client = await openPolling(server, '/engine.io/');
    const answer = await request(pollUrl(server, client.sid, '/socket.io/'));
    expect(JSON.parse(answer.text).code).toBe(1);
  });
});

describe('bounds', () => {
  it('answers 503 when the sessions are all taken, on both transports', async () => {
    const small = await startServer({ limits: { maxSessions: 1, pingIntervalMs: 10_000 } });
    try {
      const first = await openWebSocket(small);
      const polling = await request(pollUrl(small));
      expect(polling.status).toBe(503);
      expect(polling.headers.get('retry-after')).toBe('1');
      expect(await rawSocket(wsUrl(small)).closed()).toBe(1006);
      first.ws.close();
      await first.closed();
      const again = await openWebSocket(small);
      again.ws.close();
    } finally {
      await small.close();
    }
  });
});
