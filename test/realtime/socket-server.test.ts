// What a namespace handler can rely on.

import { type Socket as ClientSocket, io, type ManagerOptions } from 'socket.io-client';
import { afterEach, describe, expect, it } from 'vitest';
import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import {
  ConnectRefused,
  type Handshake,
  type NamespaceHandler,
  type Socket,
} from '../../src/realtime/socket.ts';
import {
  createSocketServer,
  type SocketServer,
  type SocketServerLimits,
} from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget, type MemoryBudget } from '../../src/shared/memory-budget.ts';
import { collectingLog, rawSocket } from '../conformance/support.ts';
import { once, waitFor } from '../support/wait.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Started {
  server: SocketServer;
  url: string;
  log: ReturnType<typeof collectingLog>;
  memory: MemoryBudget;
}

async function start(
  namespaces: Record<string, NamespaceHandler>,
  limits: Partial<SocketServerLimits> = {},
): Promise<Started> {
  const app = createUwsApp();
  const log = collectingLog();
  const memory = createMemoryBudget(5_000_000);
  const server = createSocketServer({
    app,
    path: '/socket.io/',
    limits: { ...SOCKET_SERVER_LIMITS, ...limits },
    corsOrigins: '*',
    log,
    memory,
  });
  for (const [name, handler] of Object.entries(namespaces)) server.mount(name, handler);
  const listening = await listenExclusive(app, '127.0.0.1', 0);
  cleanups.push(async () => {
    listening.stop();
    await server.close();
    app.close();
  });
  return { server, url: `http://127.0.0.1:${listening.port}`, log, memory };
}

function client(url: string, options: Partial<ManagerOptions & { auth: object }> = {}) {
  const socket = io(url, { forceNew: true, transports: ['websocket'], ...options });
  cleanups.push(() => socket.disconnect());
  return socket;
}

async function connected(url: string, options = {}): Promise<ClientSocket> {
  const socket = client(url, options);
  await once(socket, 'connect');
  return socket;
}

describe('onConnect', () => {
  it('sees the handshake', async () => {
    let seen: Handshake | undefined;
    const { url } = await start({
      '/': {
        onConnect(_socket, handshake) {
          seen = handshake;
        },
        onEvent: () => undefined,
      },
    });
    await connected(url, {
      query: { userId: 'u 1&é', __proto__x: '1' },
      auth: { token: 't' },
      extraHeaders: { 'x-forwarded-proto': 'https', authorization: 'Bearer b', 'x-other': 'no' },
    });
    expect(seen?.query.get('userId')).toBe('u 1&é');
    expect(seen?.auth).toEqual({ token: 't' });
    expect(seen?.headers.get('authorization')).toBe('Bearer b');
    expect(seen?.headers.has('x-other')).toBe(false);
    expect(seen?.secure).toBe(true);
    expect(seen?.address).toBe('127.0.0.1');
    expect(seen?.transport).toBe('websocket');
    expect(Math.abs(Date.now() - (seen?.issued ?? 0))).toBeLessThan(10_000);
  });

  it('gives the socket its data, synchronously or later', async () => {
    const sockets: Socket[] = [];
    const { url } = await start({
      '/': {
        onConnect: (_socket, { auth }) => (auth.later ? Promise.resolve('later') : 'now'),
        onConnected: (socket) => void sockets.push(socket),
        onEvent: () => undefined,
      },
    });
    await connected(url, { auth: {} });
    await connected(url, { auth: { later: true } });
    expect(sockets.map((socket) => socket.data)).toEqual(['now', 'later']);
  });

  it.each([false, true])('refuses with message and data (later: %s)', async (later) => {
    const gone: string[] = [];
    const { url, server } = await start({
      '/': {
        onConnect() {
          const refusal = new ConnectRefused('No entry', { code: 'unauthenticated' });
          if (!later) throw refusal;
          return Promise.reject(refusal);
        },
        onEvent: () => undefined,
        onDisconnect: (_socket, reason) => void gone.push(reason),
      },
    });
    const socket = client(url);
    const [error] = await once<[Error & { data?: unknown }]>(socket, 'connect_error');
    expect(error.message).toBe('No entry');
    expect(error.data).toEqual({ code: 'unauthenticated' });
    expect(server.socketCount).toBe(0);
    expect(gone).toEqual([]);
  });

  it('that fails says nothing of why', async () => {
    const { url, log } = await start({
      '/': {
        onConnect: () => Promise.reject(new Error('password of the database')),
        onEvent: () => undefined,
      },
    });
    const [error] = await once<[Error]>(client(url), 'connect_error');
    expect(error.message).toBe('Internal error');
    expect(log.errors).toHaveLength(1);
  });

  it('that answers after the client has gone connects nobody', async () => {
    let answer = (_value: string): void => undefined;
    const calls: string[] = [];
    const { url, server } = await start({
      '/': {
        onConnect: () => new Promise((resolve) => (answer = resolve)),
        onConnected: () => void calls.push('connected'),
        onEvent: () => undefined,
        onDisconnect: () => void calls.push('disconnected'),
      },
    });
    const socket = client(url);
    await waitFor(() => server.stats().sessions === 1, { what: 'the session' });
    socket.disconnect();
    await waitFor(() => server.stats().sessions === 0, { what: 'the end' });
    answer('too late');
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toEqual([]);
    expect(server.socketCount).toBe(0);
  });
});

it('a second CONNECT to the only namespace, after its end, needs a new connection', async () => {
  // The request's facts are dropped with the first CONNECT: they would be most of an idle socket.
  const { url } = await start({ '/': { onConnect: () => undefined, onEvent: () => undefined } });
  const raw = rawSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await raw.next();
  raw.send('40');
  expect(await raw.next()).toMatch(/^40\{/);
  raw.send('41');
  raw.send('40');
  expect(await raw.closed()).toBe(1005);
});

describe('onEvent', () => {
  it('gets name, arguments and an ack that counts once', async () => {
    const events: unknown[] = [];
    const { url } = await start({
      '/': {
        onConnect: () => undefined,
        onEvent(_socket, event, args, ack) {
          events.push([event, args, ack !== undefined]);
          ack?.('first', 1);
          ack?.('second');
          ack?.json('"third"');
        },
      },
    });
    const socket = await connected(url);
    expect(
      await new Promise((done) => socket.emit('a', 1, (...args: unknown[]) => done(args))),
    ).toEqual(['first', 1]);
    socket.emit('__proto__', { constructor: 1 });
    socket.emit('c');
    expect(await socket.emitWithAck('d')).toBe('first');
    expect(events).toEqual([
      ['a', [1], true],
      ['__proto__', [{ constructor: 1 }], false],
      ['c', [], false],
      ['d', [], true],
    ]);
  });

  it('may answer with JSON text, on every namespace', async () => {
    const echo: NamespaceHandler = {
      onConnect: () => undefined,
      onEvent(socket, _event, args, ack) {
        ack?.json(JSON.stringify(args[0]));
        socket.emitJson('back', JSON.stringify(args[0]));
      },
    };
    const { url } = await start({ '/': echo, '/custom': echo });
    for (const name of ['/', '/custom']) {
      const socket = await connected(url + name);
      const back = once(socket, 'back');
      expect(await socket.emitWithAck('x', { a: [1, 'é'] })).toEqual({ a: [1, 'é'] });
      expect(await back).toEqual([{ a: [1, 'é'] }]);
    }
  });

  it('that throws or rejects is logged, and the connection goes on', async () => {
    const { url, log } = await start({
      '/': {
        onConnect: () => undefined,
        onEvent(_socket, event, _args, ack) {
          if (event === 'throw') throw new Error('thrown');
          if (event === 'reject') return Promise.reject(new Error('rejected'));
          ack?.('fine');
          return undefined;
        },
      },
    });
    const socket = await connected(url);
    socket.emit('throw');
    socket.emit('reject');
    expect(await socket.emitWithAck('ok')).toBe('fine');
    expect(log.errors).toHaveLength(2);
  });

  it('may disconnect its socket in the middle of a payload; nothing after it arrives', async () => {
    for (const transports of [['websocket'], ['polling']]) {
      const events: string[] = [];
      const gone: string[] = [];
      const { url } = await start({
        '/': {
          onConnect: () => undefined,
          onEvent(socket, event) {
            events.push(event);
            socket.emit('last words');
            if (event === 'stop') socket.disconnect(true);
          },
          onDisconnect: (_socket, reason) => void gone.push(reason),
        },
      });
      const socket = await connected(url, { transports });
      const words = once(socket, 'last words');
      const ended = once(socket, 'disconnect');
      socket.emit('stop');
      socket.emit('after');
      await words;
      expect((await ended)[0]).toBe('io server disconnect');
      expect(events).toEqual(['stop']);
      expect(gone).toEqual(['server namespace disconnect']);
    }
  });
});

describe('the reasons a client is given', () => {
  async function pair(transports: string[]) {
    const sockets: Socket[] = [];
    const gone: string[] = [];
    const { url, server } = await start({
      '/': {
        onConnect: () => undefined,
        onConnected: (socket) => void sockets.push(socket),
        onEvent: () => undefined,
        onDisconnect: (_socket, reason) => void gone.push(reason),
      },
    });
    const socket = await connected(url, { transports, reconnectionDelay: 20 });
    const [remote] = sockets;
    if (remote === undefined) throw new Error('no socket');
    return { socket, remote, gone, sockets, server };
  }

  describe.each([[['websocket']], [['polling']]])('over %s', (transports) => {
    it('disconnect: io server disconnect, and it stays away', async () => {
      const { socket, remote, gone } = await pair(transports);
      const ended = once(socket, 'disconnect');
      remote.disconnect();
      remote.disconnect();
      expect((await ended)[0]).toBe('io server disconnect');
      expect(socket.active).toBe(false);
      expect(gone).toEqual(['server namespace disconnect']);
      expect(remote.connected).toBe(false);
    });

    it('closeTransport: transport close, and it comes back', async () => {
      const { socket, remote, gone, sockets } = await pair(transports);
      const ended = once(socket, 'disconnect');
      remote.closeTransport('server shutting down');
      expect((await ended)[0]).toBe('transport close');
      await once(socket, 'connect');
      expect(gone).toEqual(['server shutting down']);
      expect(sockets).toHaveLength(2);
      expect(sockets[1]?.id).not.toBe(remote.id);
    });

    it('what was sent before the end arrives before it', async () => {
      const { socket, remote } = await pair(transports);
      const received: unknown[] = [];
      socket.on('n', (i: unknown) => received.push(i));
      const ended = once(socket, 'disconnect');
      for (let i = 0; i < 20; i++) remote.emit('n', i);
      remote.closeTransport('server shutting down');
      await ended;
      expect(received).toEqual(Array.from({ length: 20 }, (_, i) => i));
    });

    it('drain: every client sees transport close, new handshakes 503', async () => {
      const { socket, server } = await pair(transports);
      const ended = once(socket, 'disconnect');
      await server.drain({ overMs: 60, finishMs: 1_000 });
      expect((await ended)[0]).toBe('transport close');
      expect(server.socketCount).toBe(0);
      const refused = await new Promise<Error>((resolve) => {
        socket.io.once('reconnect_error', resolve);
      });
      expect(refused.message).toMatch(/error/);
    });
  });

  it('drain: a command that never ends is waited for so long, and its client is let go', async () => {
    const { url, server } = await start({
      '/': {
        onConnect: () => undefined,
        onEvent: () => undefined,
        onDrain: () => new Promise(() => undefined),
      },
    });
    const ended = once(await connected(url), 'disconnect');
    // A timer may be a part of a millisecond early.
    expect(await server.drain({ overMs: 0, finishMs: 50 })).toBeLessThan(1);
    expect((await ended)[0]).toBe('transport close');
  });

  it('a stopped server answers handshakes 503 and lets open connections go on', async () => {
    const { url, server } = await start({
      '/': { onConnect: () => undefined, onEvent: (_s, _e, _a, ack) => ack?.(1) },
    });
    const socket = await connected(url);
    server.stopAccepting();
    const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
    expect(answer.status).toBe(503);
    expect(await socket.emitWithAck('x')).toBe(1);
  });
});

describe('emitWithAck', () => {
  async function pair(limits: Partial<SocketServerLimits> = {}) {
    const sockets: Socket[] = [];
    const { url } = await start(
      {
        '/': {
          onConnect: () => undefined,
          onConnected: (socket) => void sockets.push(socket),
          onEvent: () => undefined,
        },
      },
      limits,
    );
    const socket = await connected(url);
    const [remote] = sockets;
    if (remote === undefined) throw new Error('no socket');
    return { socket, remote };
  }

  it('resolves with the arguments of the client, binary too', async () => {
    const { socket, remote } = await pair();
    socket.on('ask', (n: number, answer: (...args: unknown[]) => void) =>
      answer(n + 1, Buffer.from([n])),
    );
    expect(await remote.emitWithAck('ask', [1], 5_000)).toEqual([2, Buffer.from([1])]);
    expect(await remote.emitWithAck('ask', [2], 5_000)).toEqual([3, Buffer.from([2])]);
  });

  it('rejects when the deadline has passed, capped by ackDeadlineMs', async () => {
    const { remote } = await pair({ ackDeadlineMs: 30 });
    await expect(remote.emitWithAck('ask', [], 60_000)).rejects.toThrow('within 30 ms');
  });

  it('rejects when the socket disconnects first', async () => {
    const { socket, remote } = await pair();
    const answer = remote.emitWithAck('ask', [], 60_000);
    socket.disconnect();
    await expect(answer).rejects.toThrow('client namespace disconnect');
    await expect(remote.emitWithAck('ask', [], 60_000)).rejects.toThrow('Not connected');
  });

  it('rejects when maxPendingAcks are waiting', async () => {
    const { remote } = await pair({ maxPendingAcks: 2 });
    const first = remote.emitWithAck('ask', [], 60_000);
    const second = remote.emitWithAck('ask', [], 60_000);
    await expect(remote.emitWithAck('ask', [], 60_000)).rejects.toThrow('Too many');
    remote.disconnect();
    await Promise.allSettled([first, second]);
  });
});

describe('what is worked on', () => {
  it.each(['fulfilled', 'rejected'])('is counted until it is %s', async (outcome) => {
    let settle: ((error?: Error) => void) | undefined;
    const work = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    const { url, memory, log } = await start({
      '/': { onConnect: () => undefined, onEvent: () => work },
    });
    const socket = await connected(url);
    socket.emit('x', 'a'.repeat(100_000));
    await waitFor(() => memory.stats().heldBytes > 200_000, { what: 'the packet to be counted' });
    expect(memory.stats().heldBytes).toBeLessThan(300_000);
    settle?.(outcome === 'fulfilled' ? undefined : new Error('no'));
    await waitFor(() => memory.stats().heldBytes === 0, { what: 'the packet to be let go' });
    expect(log.errors).toHaveLength(outcome === 'fulfilled' ? 0 : 1);
  });

  it('is counted of a CONNECT that is larger than most, for whoever has no identity yet', async () => {
    const asked: ((data: object) => void)[] = [];
    const { url, memory } = await start({
      '/': {
        onConnect: () => new Promise((resolve) => asked.push(resolve)),
        onEvent: () => undefined,
      },
    });
    client(url, { auth: { token: 'a'.repeat(1_000) } });
    await waitFor(() => asked.length === 1, { what: 'a CONNECT' });
    expect(memory.stats().heldBytes).toBe(0);
    client(url, { auth: { token: 'a'.repeat(10_000) } });
    await waitFor(() => asked.length === 2, { what: 'another CONNECT' });
    expect(memory.stats().heldBytes).toBeGreaterThan(20_000);
    for (const resolve of asked) resolve({});
    await waitFor(() => memory.stats().heldBytes === 0, { what: 'it to be let go' });
  });

  it('ends the connections that have too much of it', async () => {
    const ended: string[] = [];
    const { url, memory, server } = await start({
      '/': {
        onConnect: () => undefined,
        onEvent: () => new Promise(() => undefined),
        onDisconnect: (_socket, reason) => void ended.push(reason),
      },
    });
    const modest = await connected(url);
    modest.emit('x', 'a'.repeat(100));
    const greedy = await connected(url, { reconnection: false });
    for (let i = 0; i < 10; i++) greedy.emit('x', 'a'.repeat(500_000));
    await once(greedy, 'disconnect');
    expect(ended).toEqual(['memory']);
    expect(memory.stats().ended).toEqual({ strangers: 0, known: 1 });
    expect(memory.stats().heldBytes).toBeLessThan(10_000);
    expect([modest.connected, server.socketCount]).toEqual([true, 1]);
  });
});
