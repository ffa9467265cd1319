/**
 * HTTP as bytes, on both doors of the realtime layer: answers without a body leave the connection ready,
 * and what two servers could frame differently is refused.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { open, type RawClient } from '../http/raw-http.ts';
import { uniquePrefix } from '../support/redis.ts';
import { entryOf, openPolling, type PeerServer, startPeerServer } from './peer-server.ts';

const ORIGIN = 'https://chat.example';

let server: PeerServer;
let sid: string;
const ports: Record<string, number> = {};
let key: string;
beforeAll(async () => {
  const prefix = uniquePrefix();
  server = await startPeerServer({ prefix, corsOrigins: [ORIGIN] });
  ({ sid } = await openPolling(server, server));
  const entry = await entryOf(sid, prefix);
  ports.clients = server.port;
  ports.peers = entry.port;
  key = entry.key;
});
afterAll(() => server.stop());

type Fields = readonly string[];

describe.each(['clients', 'peers'])('the door for %s', (door) => {
  const target = (query: string): string => `/socket.io/?EIO=4${query}`;
  function head(method: string, path: string, fields: Fields = []): string {
    const shown = door === 'peers' ? [`X-Peer-Key: ${key}`] : [];
    const all = ['Host: chat.example', ...shown, ...fields].map((field) => `${field}\r\n`);
    return `${method} ${path} HTTP/1.1\r\n${all.join('')}\r\n`;
  }
  async function connection(): Promise<RawClient> {
    return open(ports[door] ?? 0);
  }
  /** An ordinary request is answered on this connection. */
  async function goesOn(client: RawClient): Promise<void> {
    client.send(head('GET', target('&transport=polling&sid=nobody')));
    expect((await client.response()).json()).toEqual({ code: 1, message: 'Session ID unknown' });
  }

  it('answers a preflight without a body, and goes on', async () => {
    const client = await connection();
    for (const fields of [
      [],
      [`Origin: ${ORIGIN}`, 'Access-Control-Request-Method: POST'],
      ['Origin: https://stranger.example', 'Access-Control-Request-Headers: x-é'],
    ]) {
      client.send(head('OPTIONS', target('&transport=polling'), fields));
      const answer = await client.response();
      expect(answer.status).toBe(204);
      expect(answer.headers.has('content-length')).toBe(false);
      expect(answer.headers.has('transfer-encoding')).toBe(false);
      await goesOn(client);
    }
    client.send(`${head('OPTIONS', target(''), ['Content-Length: 4'])}body`);
    expect((await client.response()).status).toBe(204);
    await goesOn(client);
    client.close();
  });

  it('answers HEAD as GET, without the body, and goes on', async () => {
    const client = await connection();
    for (const query of ['', '&transport=carrier-pigeon', '&transport=polling&sid=nobody']) {
      client.send(head('GET', target(query)));
      const got = await client.response();
      client.send(head('HEAD', target(query)));
      const answer = await client.response({ headOnly: true });
      expect(answer.status).toBe(got.status);
      expect(answer.headers.get('content-length')).toBe(`${got.body.length}`);
      await goesOn(client);
    }
    for (const query of ['&transport=polling', `&transport=polling&sid=${sid}`]) {
      client.send(head('HEAD', target(query)));
      expect((await client.response({ headOnly: true })).status).toBe(400);
      await goesOn(client);
    }
    client.close();
  });

  it('answers methods it does not know, and goes on', async () => {
    const client = await connection();
    for (const method of ['PUT', 'DELETE', 'TRACE', 'PROPFIND']) {
      client.send(`${head(method, target('&transport=polling'), ['Content-Length: 4'])}body`);
      expect((await client.response()).status).toBe(400);
      await goesOn(client);
    }
    client.close();
  });

  it.each(['OPTIONS', 'HEAD'])('closes after %s when the client wants it', async (method) => {
    const client = await connection();
    client.send(head(method, target(''), ['Connection: close']));
    const answer = await client.response({ headOnly: true });
    expect(answer.headers.get('connection')).toBe('close');
    await client.closed;
  });

  const smuggling: readonly [what: string, fields: Fields][] = [
    ['a second Host', ['Host: other.example']],
    ['a second Content-Length', ['Content-Length: 4', 'Content-Length: 5']],
    [
      'Content-Length beside Transfer-Encoding',
      ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    ],
    ['a Transfer-Encoding that is not chunked', ['Transfer-Encoding: gzip']],
    ['chunked and more', ['Transfer-Encoding: chunked, identity']],
    ['a malformed Content-Length', ['Content-Length: 4, 4']],
  ];
  const upgrade = [
    'Connection: upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];

  describe.each(smuggling)('%s', (_what, fields) => {
    it.each([
      ['GET', '&transport=polling', []],
      ['POST', '&transport=polling&sid=nobody', []],
      ['HEAD', '&transport=polling', []],
      ['OPTIONS', '&transport=polling', []],
      ['GET', '&transport=websocket', upgrade],
    ] as const)('is refused with %s %s, and the connection closed', async (method, query, more) => {
      const client = await connection();
      let received = '';
      client.socket.on('data', (data) => {
        received += data.toString('latin1');
      });
      client.send(head(method, target(query), [...more, ...fields]));
      await client.closed;
      expect(received).toMatch(/^HTTP\/1\.1 400 /);
      // One answer, and to HEAD nothing but its head. The library's own is HTML and says the same.
      expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
      const body = received.slice(received.indexOf('\r\n\r\n') + 4);
      if (!body.startsWith('<')) {
        expect(body).toBe(method === 'HEAD' ? '' : '{"code":3,"message":"Bad request"}');
      }
    });
  });

  it.each(['Content-Length: 4', 'Transfer-Encoding: chunked'])(
    'an upgrade that says that a body follows (%s) is refused, and the connection closed',
    async (field) => {
      const client = await connection();
      let received = '';
      client.socket.on('data', (data) => {
        received += data.toString('latin1');
      });
      client.send(head('GET', target('&transport=websocket'), [...upgrade, field]));
      await client.closed;
      expect(received).toMatch(/^HTTP\/1\.1 400 /);
    },
  );
});

it('knows a page of its own host in every spelling of it', async () => {
  const client = await open(server.port);
  const own = [
    ['https://Chat.Example', 'chat.EXAMPLE:443'],
    ['http://own.example', 'own.example:80'],
    ['http://own.example:3006', 'OWN.example:3006'],
  ];
  for (const [origin, host] of own) {
    client.send(
      `GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\n\r\n`,
    );
    expect((await client.response()).status).toBe(200);
  }
  client.send(
    `GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: own.example\r\nOrigin: https://own.example:80\r\n\r\n`,
  );
  expect((await client.response()).status).toBe(403);
  client.close();
});
