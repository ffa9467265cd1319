/** The cap on connections, on both sides of TLS. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import { type ConnectionCap, createConnectionCap } from '../../src/realtime/connection-cap.ts';
import { createSocketServer } from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive, type TlsFiles } from '../../src/realtime/uws.ts';
import { collectingLog } from '../conformance/support.ts';
import { once, waitFor } from '../support/wait.ts';

const MAX = 4;
const BODY = '{"success":false}';

interface Server {
  port: number;
  connections: ConnectionCap;
  warnings: string[];
}

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(tls: TlsFiles | null = null): Promise<Server> {
  const warnings: string[] = [];
  const connections = createConnectionCap({
    max: MAX,
    tls: tls !== null,
    refusalBody: BODY,
    retryAfterSeconds: 7,
    log: { warn: (_facts, message) => warnings.push(message) },
  });
  const app = createUwsApp(tls);
  const server = createSocketServer({
    app,
    path: '/socket.io/',
    limits: SOCKET_SERVER_LIMITS,
    corsOrigins: '*',
    log: collectingLog(),
    connections,
  });
  const listening = await listenExclusive(app, '127.0.0.1', 0);
  cleanUps.push(async () => {
    listening.stop();
    await server.close();
    app.close();
  });
  return { port: listening.port, connections, warnings };
}

/** A TCP connection, and all that came over it. */
async function tcp(port: number): Promise<{ socket: Socket; text(): string }> {
  let text = '';
  const socket = connect(port, '127.0.0.1');
  cleanUps.push(() => void socket.destroy());
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, text: () => text };
}

const openAre = ({ connections }: Server, count: number) =>
  waitFor(() => connections.stats().open === count, { what: `${count} open connections` });

describe('one connection too many', () => {
  it('is answered 503 and closed; those that are open stay', async () => {
    const server = await start();
    const first = await Promise.all(Array.from({ length: MAX }, () => tcp(server.port)));
    await openAre(server, MAX);
    expect(server.connections.isFull).toBe(true);
    for (let n = 1; n <= 3; n += 1) {
      const { socket, text } = await tcp(server.port);
      await once(socket, 'close');
      expect(text()).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
      expect(text()).toMatch(/\r\nRetry-After: 7\r\n/);
      expect(text()).toMatch(/\r\nConnection: close\r\n/i);
      expect(text().endsWith(`\r\n\r\n${BODY}`)).toBe(true);
      expect(server.connections.stats()).toEqual({ open: MAX, refused: n });
    }
    expect(server.warnings.length).toBe(1);
    first[0]?.socket.destroy();
    await openAre(server, MAX - 1);
    const { socket } = await tcp(server.port);
    await openAre(server, MAX);
    expect(socket.destroyed).toBe(false);
  });

  it('is closed without a word within TLS', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'messaging-test-cap-'));
    cleanUps.push(() => rmSync(directory, { recursive: true }));
    const files = { keyFile: join(directory, 'key.pem'), certFile: join(directory, 'cert.pem') };
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
    writeFileSync(files.keyFile, key);
    writeFileSync(files.certFile, cert);
    const server = await start(files);
    await Promise.all(Array.from({ length: MAX }, () => tcp(server.port)));
    await openAre(server, MAX);
    const { socket, text } = await tcp(server.port);
    await once(socket, 'close');
    expect(text()).toBe('');
    expect(server.connections.stats()).toEqual({ open: MAX, refused: 1 });
  });
});

describe('WebSockets', () => {
  it.each(['close', 'terminate'] as const)('are counted off when they %s', async (how) => {
    const server = await start();
    const url = `ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`;
    for (let round = 0; round < 3; round += 1) {
      const sockets = Array.from({ length: MAX }, () => new WebSocket(url));
      await Promise.all(sockets.map((socket) => once(socket, 'open')));
      expect(server.connections.stats().open).toBe(MAX);
      for (const socket of sockets) socket[how]();
      await openAre(server, 0);
    }
    expect(server.connections.stats().refused).toBe(0);
  });

  it('are counted off when they are refused', async () => {
    const server = await start();
    const url = `ws://127.0.0.1:${server.port}/socket.io/?EIO=3&transport=websocket`;
    for (let round = 0; round < 2 * MAX; round += 1) {
      await once(new WebSocket(url), 'error');
    }
    await openAre(server, 0);
  });
});
