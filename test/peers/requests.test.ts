/** Polling requests that reach the wrong node. */
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawExchange, rawSocket, request } from '../conformance/support.ts';
import { freePort } from '../support/ports.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import {
  entryOf,
  openPolling,
  type PeerServer,
  pollUrl,
  startPeerServer,
  UNKNOWN_SID,
  wsUrl,
} from './peer-server.ts';

const prefix = uniquePrefix();
const ORIGIN = 'https://chat.example';
const MAX_PAYLOAD_BYTES = 100_000;
/** "At once" on a machine that is shared; the deadlines for silence are seconds longer. */
const AT_ONCE_MS = 1_500;

let owner: PeerServer;
let other: PeerServer;

beforeAll(async () => {
  const options = {
    prefix,
    limits: { maxPayloadBytes: MAX_PAYLOAD_BYTES, compressThresholdBytes: 1_024 },
    corsOrigins: [ORIGIN],
  };
  owner = await startPeerServer(options);
  other = await startPeerServer(options);
});
afterAll(async () => {
  expect([...owner.errors, ...other.errors]).toEqual([]);
  await Promise.all([owner.stop(), other.stop()]);
});

const sockets = (): number => owner.server.stats().sessions;

/** A session id of the right form that nobody has given out. */
const forgedSid = (): string => randomBytes(22).toString('base64url');

/** A message of so many bytes, as a POST's body. */
const messageOf = (bytes: number): string => {
  const [head, tail] = ['42["message","', '"]'];
  return head + 'x'.repeat(bytes - head.length - tail.length) + tail;
};

describe('a polling request for a session of another node', () => {
  it('is answered as there: body, type, CORS', async () => {
    const { url } = await openPolling(owner, other);
    const post = { method: 'POST', body: '42["message","ü",1]', headers: { origin: ORIGIN } };
    const posted = [await request(url(owner.port), post), await request(url(other.port), post)];
    const polled = await request(url(other.port), { headers: { origin: ORIGIN } });
    expect(polled.text).toBe(
      ['42["message-back","ü",1]', '42["message-back","ü",1]'].join('\u001e'),
    );
    await request(url(owner.port), post);
    const direct = await request(url(owner.port), { headers: { origin: ORIGIN } });
    const facts = ({ status, headers }: typeof direct) => ({
      status,
      headers: Object.fromEntries(
        [...headers].filter(([name]) => !['date', 'content-length'].includes(name)),
      ),
    });
    expect(facts(polled)).toEqual(facts(direct));
    expect(polled.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(posted[1]?.text).toBe(posted[0]?.text);
    expect(facts(posted[1] ?? direct)).toEqual(facts(posted[0] ?? polled));
  });

  it('carries a long answer compressed, for those who accept it', async () => {
    const { url } = await openPolling(owner, other);
    const body = messageOf(50_000);
    await request(url(other.port), { method: 'POST', body });
    const packed = await request(url(other.port), { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.text).toBe(body.replace('message', 'message-back'));
    await request(url(other.port), { method: 'POST', body });
    const plain = await request(url(other.port), { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBe(null);
    expect(plain.text).toBe(packed.text);
  });

  it('waits there for what is to come', async () => {
    const { url } = await openPolling(owner, other);
    const poll = request(url(other.port));
    await waitFor(async () => other.node.stats().requests.answered > 0, { what: 'the handshake' });
    await request(url(other.port), { method: 'POST', body: '42["message","now"]' });
    expect((await poll).text).toBe('42["message-back","now"]');
  });

  it('with a body of the largest size passes, whole or in chunks', async () => {
    const { url } = await openPolling(owner, other);
    const body = messageOf(MAX_PAYLOAD_BYTES);
    const back = body.replace('message', 'message-back');
    expect((await request(url(other.port), { method: 'POST', body })).text).toBe('ok');
    expect((await request(url(other.port))).text).toBe(back);
    expect(await postInChunks(url(other.port), body)).toEqual({ status: 200, text: 'ok' });
    expect((await request(url(other.port))).text).toBe(back);
  });

  it.each([
    ['announced', (url: string, body: string) => request(url, { method: 'POST', body })],
    ['in chunks', postInChunks],
  ])(
    'with a larger body (%s) gets 413, and the session ends as at its node',
    async (_way, post) => {
      const { url } = await openPolling(owner, other);
      const before = sockets();
      const answer = await post(url(other.port), messageOf(MAX_PAYLOAD_BYTES + 1));
      expect(answer.status).toBe(413);
      await waitFor(() => sockets() === before - 1, { what: 'its end' });
      expect((await request(url(owner.port))).status).toBe(400);
    },
  );

  it('that the client gives up is given up there', async () => {
    const { url } = await openPolling(owner, other);
    const before = sockets();
    const aborted = other.node.stats().requests.aborted;
    const client = connect(other.port, '127.0.0.1');
    const { pathname, search } = new URL(url(other.port));
    client.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`);
    // A second GET would overlap with the first one only once that has arrived.
    await waitFor(() => client.bytesWritten > 0 && !client.pending, { what: 'the request' });
    await request(url(owner.port), { method: 'POST', body: '3' });
    client.destroy();
    await waitFor(() => sockets() === before - 1, { what: 'the end of its session' });
    expect(other.node.stats().requests.aborted).toBe(aborted + 1);
  });

  it('that overlaps with another one ends the session, wherever they arrive', async () => {
    const { url } = await openPolling(owner, other);
    const first = request(url(owner.port));
    const second = request(url(other.port));
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    expect((await request(url(owner.port))).text).toBe(JSON.stringify(UNKNOWN_SID));
  });

  it('of a method that polling does not have is refused', async () => {
    const { url } = await openPolling(owner, other);
    const { status, text } = await request(url(other.port), { method: 'PUT', body: 'x' });
    expect([status, JSON.parse(text).code]).toEqual([400, 3]);
  });

  it('from a page that may not call is refused before anything is passed on', async () => {
    const { url } = await openPolling(owner, other);
    const before = other.node.stats().requests.answered;
    const answer = await request(url(other.port), { headers: { origin: 'https://evil.example' } });
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([403, 4]);
    expect(other.node.stats().requests.answered).toBe(before);
  });
});

describe('a session id that leads nowhere', () => {
  async function expectUnknown(sid: string): Promise<void> {
    const startedAt = performance.now();
    for (const init of [{}, { method: 'POST', body: '3' }]) {
      const { status, text } = await request(pollUrl(other.port, sid), init);
      expect([status, JSON.parse(text)]).toEqual([400, UNKNOWN_SID]);
    }
    const socket = rawSocket(wsUrl(other.port, sid));
    await socket.closed();
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
  }

  it('with a forged tag is unknown', () => expectUnknown(forgedSid()));

  it.each(['x', '../../', '%00', 'a'.repeat(31), `${'a'.repeat(29)}%20`, '__proto__'])(
    'of no known form (%s) is unknown',
    (sid) => expectUnknown(sid),
  );

  it('with the tag of the node itself is unknown', async () => {
    const { sid } = await openPolling(other, other);
    await expectUnknown(sid.slice(0, 8) + forgedSid().slice(8));
  });

  it('with the tag of another node is unknown there', async () => {
    const { sid } = await openPolling(owner, other);
    await expectUnknown(sid.slice(0, 8) + forgedSid().slice(8));
  });

  it('of a node that died is unknown, and so is one whose port another process has', async () => {
    const redis = new Redis(redisUrl());
    const { host, port } = await entryOf((await openPolling(owner, owner)).sid, prefix);
    const dead = [`127.0.0.1 ${await freePort()} somekey`, `${host} ${port} not-its-key`];
    for (const entry of [...dead, 'garbage', '127.0.0.1 99999 key', '127.0.0.1 0 key']) {
      const sid = forgedSid();
      await redis.set(`${prefix}peer:${sid.slice(0, 8)}`, entry, 'EX', 30);
      await expectUnknown(sid);
    }
    redis.disconnect();
  });
});

describe('the address for the other nodes', () => {
  it('refuses strangers, whatever they ask for', async () => {
    const { sid } = await openPolling(owner, other);
    const { host, port, key } = await entryOf(sid, prefix);
    const base = `http://${host}:${port}`;
    const socketIo = `${base}/socket.io/?EIO=4&transport=polling`;
    // One key in so many ends in that very character.
    const nearly = `${key.slice(0, -1)}${key.endsWith('-') ? '_' : '-'}`;
    const calls: [string, RequestInit][] = [
      [`${base}/`, {}],
      [`${base}/health`, {}],
      [`${base}/messages`, { method: 'POST', body: '{}' }],
      [`${base}/health`, { headers: { 'x-peer-key': key } }],
      [socketIo, {}],
      [`${socketIo}&sid=${sid}`, {}],
      [`${socketIo}&sid=${sid}`, { method: 'POST', body: '41' }],
      [`${socketIo}&sid=${sid}`, { method: 'OPTIONS' }],
      [`${socketIo}&sid=${sid}`, { headers: { 'x-peer-key': '' } }],
      [`${socketIo}&sid=${sid}`, { headers: { 'x-peer-key': nearly } }],
      [`${socketIo}&sid=${sid}`, { headers: { 'x-peer-key': `${key}x` } }],
    ];
    for (const [url, init] of calls) {
      const { status, text } = await request(url, init);
      expect([url, status, JSON.parse(text).code]).toEqual([url, 403, 4]);
    }
    const socket = rawSocket(wsUrl(port, sid));
    await socket.closed();
    const upgrade = await rawExchange(
      port,
      `GET /socket.io/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1\r\nHost: x\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect(upgrade).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('opens no session, even for one who shows the key', async () => {
    const { sid } = await openPolling(owner, other);
    const { port, key } = await entryOf(sid, prefix);
    const { status } = await request(pollUrl(port), { headers: { 'x-peer-key': key } });
    expect(status).toBe(503);
  });

  it('passes nothing on: what is not here is unknown', async () => {
    const { sid } = await openPolling(other, owner);
    const ofOwner = await openPolling(owner, other);
    const { port, key } = await entryOf(ofOwner.sid, prefix);
    const before = owner.node.stats().requests;
    const total = Object.values(before).reduce((sum, count) => sum + count, 0);
    const { status, text } = await request(pollUrl(port, sid), { headers: { 'x-peer-key': key } });
    expect([status, JSON.parse(text)]).toEqual([400, UNKNOWN_SID]);
    const after = Object.values(owner.node.stats().requests).reduce((sum, count) => sum + count, 0);
    expect(after).toBe(total);
    // The same at its public address is passed on.
    const posted = await request(pollUrl(owner.port, sid), { method: 'POST', body: '3' });
    expect(posted.text).toBe('ok');
  });
});

/** A POST without Content-Length; resolves with the answer, or with what came before the end. */
function postInChunks(url: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const post = httpRequest(url, { method: 'POST' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    post.on('error', reject);
    for (let at = 0; at < body.length; at += 10_000) post.write(body.slice(at, at + 10_000));
    post.end();
  });
}
