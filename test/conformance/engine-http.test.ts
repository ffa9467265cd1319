// HTTP as such: CORS, preflight, compression, keep-alive, slow and broken requests.

import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import {
  openPolling,
  openWebSocket,
  pollUrl,
  rawExchange,
  rawSocket,
  request,
  startServer,
  withDeadline,
  wsUrl,
} from './support.ts';

const LONG = { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 };
const ORIGIN = 'https://app.example.com';

let open: ConformanceServer;
let listed: ConformanceServer;
beforeAll(async () => {
  open = await startServer({ limits: { ...LONG, bodyTimeoutMs: 300 } });
  listed = await startServer({ limits: LONG, corsOrigins: [ORIGIN, 'http://localhost:8080'] });
});
afterAll(() => Promise.all([open.close(), listed.close()]));

const from = (origin: string): RequestInit => ({ headers: { origin } });

describe('CORS for every origin', () => {
  it('says so on answers and on errors, without credentials', async () => {
    const good = await request(pollUrl(open), from('http://anywhere.example'));
    expect(good.status).toBe(200);
    expect(good.headers.get('access-control-allow-origin')).toBe('*');
    expect(good.headers.get('access-control-allow-credentials')).toBeNull();
    const bad = await request(pollUrl(open, 'unknown'), from('http://anywhere.example'));
    expect(bad.status).toBe(400);
    expect(bad.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('answers a preflight', async () => {
    const answer = await request(pollUrl(open), {
      method: 'OPTIONS',
      headers: {
        origin: 'http://anywhere.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
    expect(answer.headers.get('access-control-max-age')).toBe('600');
  });

  it('accepts a WebSocket from everywhere', async () => {
    const socket = rawSocket(wsUrl(open), { headers: { origin: 'http://anywhere.example' } });
    expect(await socket.next()).toMatch(/^0/);
    socket.ws.close();
  });
});

describe('CORS for listed origins', () => {
  it('names the origin and allows credentials, on answers, errors and preflights', async () => {
    for (const [url, init, status] of [
      [pollUrl(listed), {}, 200],
      [pollUrl(listed, 'unknown'), {}, 400],
      [pollUrl(listed), { method: 'OPTIONS' }, 204],
    ] as const) {
      const answer = await request(url, { ...init, ...from(ORIGIN) });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  it.each(['https://evil.example', 'https://app.example.com.evil.example', 'null'])(
    'forbids %s on both transports',
    async (origin) => {
      const answer = await request(pollUrl(listed), from(origin));
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text)).toEqual({ code: 4, message: 'Forbidden' });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(await rawSocket(wsUrl(listed), { headers: { origin } }).closed()).toBe(1006);
    },
  );

  it('allows a listed origin, and a client without one, to open a WebSocket', async () => {
    const socket = rawSocket(wsUrl(listed), { headers: { origin: ORIGIN } });
    expect(await socket.next()).toMatch(/^0/);
    socket.ws.close();
    (await openWebSocket(listed)).ws.close();
  });

  it('refuses an origin that could not be a header value', async () => {
    const answer = await rawExchange(
      open.port,
      'GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
        'Origin: http://a\u007fb\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
  });
});

describe('compression', () => {
  const large = `4${'chat '.repeat(2_000)}`;

  it('packs a large payload for a client that accepts gzip', async () => {
    const client = await openPolling(open);
    await client.push(large);
    const answer = await client.poll({ headers: { 'accept-encoding': 'gzip, deflate' } });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(answer.text).toBe(large); // fetch unpacks.
  });

  it('sends bytes that any gunzip reads', async () => {
    const client = await openPolling(open);
    await client.push(large);
    const raw = await rawBytes(open, client.sid, 'Accept-Encoding: gzip\r\n');
    const body = raw.subarray(raw.indexOf('\r\n\r\n') + 4);
    expect(body.length).toBeLessThan(large.length / 10);
    expect(gunzipSync(body).toString()).toBe(large);
  });

  it.each(['identity', 'deflate', 'gzip;q=0', ''])('leaves it plain for %j', async (encoding) => {
    const client = await openPolling(open);
    await client.push(large);
    const header = encoding === '' ? '' : `Accept-Encoding: ${encoding}\r\n`;
    const raw = (await rawBytes(open, client.sid, header)).toString();
    expect(raw.toLowerCase()).not.toContain('content-encoding');
    expect(raw).toContain(large);
  });

  it('leaves a small payload plain', async () => {
    const client = await openPolling(open);
    await client.push('4small');
    const answer = await client.poll({ headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers.get('content-encoding')).toBeNull();
  });

  it('keeps order and loses nothing while a payload is being packed', async () => {
    const client = await openPolling(open);
    const sent = Array.from({ length: 30 }, (_, i) => `4${i} ${'x'.repeat(3_000)}`);
    const received: string[] = [];
    const polls = (async () => {
      while (received.length < sent.length) {
        const { text } = await client.poll({ headers: { 'accept-encoding': 'gzip' } });
        received.push(...text.split('\x1e'));
      }
    })();
    for (const packet of sent) await client.push(packet);
    await polls;
    expect(received).toEqual(sent);
  });
});

function rawBytes(server: ConformanceServer, sid: string, headers: string): Promise<Buffer> {
  return withDeadline(
    'a response',
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write(
          `GET /engine.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n` +
            `Connection: close\r\n${headers}\r\n`,
        ),
      );
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(Buffer.concat(chunks)));
    }),
  );
}

describe('connections', () => {
  it('answers Connection: close with the same and closes, also after an error', async () => {
    for (const query of ['EIO=4&transport=polling', 'EIO=4&transport=polling&sid=unknown']) {
      const answer = await rawExchange(
        open.port,
        `GET /engine.io/?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(answer.match(/^connection: close\r$/gim)).toHaveLength(1);
    }
  });

  it('serves several requests on one connection', async () => {
    const line = 'GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n';
    const answer = await rawExchange(
      open.port,
      `${line}\r\n${line}\r\n${line}Connection: close\r\n\r\n`,
    );
    expect(answer.match(/200 OK/g)).toHaveLength(3);
  });

  it('does not let answers be cached', async () => {
    const answer = await request(pollUrl(open));
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});

describe('bodies that do not come', () => {
  function post(sid: string, contentLength: number): string {
    return (
      `POST /engine.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n` +
      `Content-Length: ${contentLength}\r\n\r\n`
    );
  }

  it('answers 413 to an announced length over the bound before the first byte', async () => {
    const client = await openPolling(open);
    const answer = await rawExchange(open.port, post(client.sid, 1_000_001));
    expect(answer).toMatch(/^HTTP\/1\.1 413/);
    expect((await client.poll()).status).toBe(400);
  });

  it('cuts a client that sends a byte now and then', async () => {
    const client = await openPolling(open);
    const socket = connect(open.port, '127.0.0.1');
    const outcome = withDeadline(
      'the cut',
      new Promise<string>((resolve) => {
        let received = '';
        socket.on('data', (chunk) => {
          received += chunk.toString();
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(received));
      }),
    );
    socket.write(post(client.sid, 100));
    const drip = setInterval(() => socket.write('4'), 20);
    expect(await outcome).toMatch(/^HTTP\/1\.1 408/);
    clearInterval(drip);
    expect((await client.poll()).status).toBe(400);
  });

  it('closes the session of a POST that is broken off', async () => {
    const client = await openPolling(open);
    const socket = connect(open.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`${post(client.sid, 100)}4half`, () => socket.destroy());
    const gone = async () => (await client.poll({ method: 'PUT' })).text.includes('"code":1');
    await waitFor(gone, { what: 'the close' });
  });
});
