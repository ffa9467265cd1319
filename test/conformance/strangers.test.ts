// Connections without identity: what they may send, how long they stay, and how many there may be.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import {
  collectingLog,
  openPolling,
  openSocketIo,
  openWebSocket,
  pollUrl,
  rawSocket,
  request,
  startServer,
  wsUrl,
} from './support.ts';

const PATH = '/socket.io/';
/** As in the limits. */
const EARLY_BYTES = 16_384;
const EARLY_PACKETS = 32;
const log = collectingLog();
let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer({
    log,
    limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, connectTimeoutMs: 10_000 },
  });
});
afterAll(async () => {
  await server.close();
  expect(log.errors).toEqual([]);
});

const closedFor = (reason: string): number => server.sockets.stats().closed.get(reason) ?? 0;
/** `40{"token":"aaa…"}` of so many bytes. */
const connectOf = (bytes: number): string => `40{"token":"${'a'.repeat(bytes - 14)}"}`;
const nodes = (count: number): string => `[${'{},'.repeat(count / 2)}0]`;

describe('over WebSocket', () => {
  it.each([
    ['an EVENT', '42["message"]'],
    ['an ACK', '431["message"]'],
    ['half of a binary EVENT', '451-["message",{"_placeholder":true,"num":0}]'],
    ['an attachment', Uint8Array.of(1)],
    ['a DISCONNECT', '41'],
    ['what is no packet', '4nonsense'],
  ])('%s ends it', async (_name, frame) => {
    const socket = await openWebSocket(server, PATH);
    socket.send(frame);
    await socket.closed();
  });

  it('a CONNECT may be as large as a token needs, and no larger', async () => {
    const socket = await openWebSocket(server, PATH);
    socket.send(connectOf(EARLY_BYTES));
    expect(String(await socket.next())).toMatch(/^40\{"sid"/);
    socket.ws.close();
    const other = await openWebSocket(server, PATH);
    const before = closedFor('not admitted');
    other.send(connectOf(EARLY_BYTES + 1));
    await other.closed();
    expect(closedFor('not admitted')).toBe(before + 1);
  });

  it.each([
    ['many values', `40{"token":${nodes(300)}}`],
    ['a megabyte of them', `40{"token":${nodes(600_000)}}`],
    ['a megabyte in many frames', `4${'a'.repeat(900_000)}`],
  ])('a CONNECT of %s ends it', async (_name, frame) => {
    const socket = await openWebSocket(server, PATH);
    for (let at = 0; at < frame.length; at += 100_000) {
      const piece = frame.slice(at, at + 100_000);
      socket.ws.send(piece, { fin: at + 100_000 >= frame.length });
    }
    await socket.closed();
  });

  it('a few packets are looked at', async () => {
    const socket = await openWebSocket(server, PATH);
    for (let i = 1; i < EARLY_PACKETS; i++) socket.send('3');
    socket.send('40');
    expect(String(await socket.next())).toMatch(/^40\{"sid"/);
    // From now on it may.
    for (let i = 0; i < 2 * EARLY_PACKETS; i++) socket.send('3');
    socket.send(`421["message-with-ack","${'a'.repeat(100_000)}"]`);
    await socket.next(); // 42["auth",{}]
    expect(String(await socket.next())).toMatch(/^431\["a/);
    socket.ws.close();
    const other = await openWebSocket(server, PATH);
    const before = closedFor('not admitted');
    for (let i = 0; i <= EARLY_PACKETS; i++) other.send('6');
    await other.closed();
    expect(closedFor('not admitted')).toBe(before + 1);
  });
});

describe('over polling', () => {
  it.each([
    ['announced', (body: string): RequestInit => ({ body })],
    [
      'in chunks',
      (body: string): RequestInit => ({ body: new Blob([body]).stream(), duplex: 'half' }),
    ],
  ])('a body may be as large as a token needs, and no larger: %s', async (_name, init) => {
    const small = await openPolling(server, PATH);
    expect((await small.push('', init(connectOf(EARLY_BYTES)))).text).toBe('ok');
    expect((await small.poll()).text).toMatch(/^40\{"sid"/);
    const large = await openPolling(server, PATH);
    // The rest of a body may still be on its way when the connection is closed.
    const answer = await large.push('', init(connectOf(900_000))).catch(() => undefined);
    expect(answer?.status ?? 413).toBe(413);
    expect((await large.poll()).status).toBe(400);
  });

  it('a few packets are looked at', async () => {
    const client = await openPolling(server, PATH);
    const before = closedFor('not admitted');
    const body = Array.from({ length: EARLY_PACKETS + 1 }, () => '3').join('\x1e');
    expect((await client.push(body)).status).toBe(400);
    expect(closedFor('not admitted')).toBe(before + 1);
  });
});

describe('in time', () => {
  it('a connection that has left its namespaces is one without identity again', async () => {
    const hasty = await startServer({
      log,
      limits: { pingIntervalMs: 1_000, pingTimeoutMs: 1_000, connectTimeoutMs: 200 },
    });
    try {
      const socket = await openSocketIo(hasty);
      socket.send('41');
      await waitFor(() => hasty.sockets.stats().strangers === 1, { what: 'a stranger' });
      socket.send('40');
      expect(String(await socket.next())).toMatch(/^40\{"sid"/);
      expect(hasty.sockets.stats().strangers).toBe(0);
      socket.send('41');
      await socket.closed();
      expect(hasty.sockets.stats().closed.get('connect timeout')).toBe(1);
      expect(hasty.sockets.stats().strangers).toBe(0);
    } finally {
      await hasty.close();
    }
  });

  it('a connection with one namespace left keeps its identity', async () => {
    const socket = await openSocketIo(server);
    socket.send('40/custom,');
    await socket.next();
    await socket.next();
    const before = server.sockets.stats().strangers;
    socket.send('41');
    socket.send('42/custom,["message"]');
    expect(await socket.next()).toBe('42/custom,["message-back"]');
    expect(server.sockets.stats().strangers).toBe(before);
    socket.ws.close();
  });
});

describe('in number', () => {
  it('they have a share of the sessions, and the oldest makes room', async () => {
    const small = await startServer({
      log,
      limits: {
        pingIntervalMs: 10_000,
        pingTimeoutMs: 10_000,
        maxSessions: 6,
        strangersShare: 0.5,
      },
    });
    try {
      const known = await openSocketIo(small);
      const strangers = [];
      for (let i = 0; i < 10; i++) strangers.push(await openWebSocket(small, PATH));
      await Promise.all(strangers.slice(0, 7).map(({ closed }) => closed()));
      expect(small.sockets.stats()).toMatchObject({ sessions: 4, strangers: 3 });
      expect(small.sockets.stats().closed.get('displaced')).toBe(7);
      // Those that came last, and whoever has an identity, are served as ever.
      for (const socket of [...strangers.slice(7)]) {
        socket.send('40');
        expect(String(await socket.next())).toMatch(/^40\{"sid"/);
      }
      known.send('42["message"]');
      expect(await known.next()).toBe('42["message-back"]');
      expect(small.sockets.stats()).toMatchObject({ sessions: 4, strangers: 0 });
    } finally {
      await small.close();
    }
  });

  it('of a full house they make room for a newcomer, who is turned away by nobody else', async () => {
    const small = await startServer({
      log,
      limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, maxSessions: 3, strangersShare: 1 },
    });
    try {
      await openSocketIo(small);
      await openSocketIo(small);
      const stranger = await openPolling(small, PATH);
      const newcomer = await openSocketIo(small);
      expect((await stranger.poll()).status).toBe(400);
      expect((await request(pollUrl(small, undefined, PATH))).status).toBe(503);
      expect(await rawSocket(wsUrl(small, undefined, PATH)).closed()).toBe(1006);
      newcomer.send('42["message"]');
      expect(await newcomer.next()).toBe('42["message-back"]');
    } finally {
      await small.close();
    }
  });
});
