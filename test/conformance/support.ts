// Clients without a library's help: fetch for polling, `ws` for WebSocket, a bare TCP socket for
// what neither would send. Every wait has a deadline.

import { connect } from 'node:net';
import { WebSocket } from 'ws';
import {
  type ConformanceOptions,
  type ConformanceServer,
  startConformanceServer,
} from '../../src/realtime/conformance-server.ts';
import type { RealtimeLog } from '../../src/realtime/engine-log.ts';

/** Generous: the machine is shared. What the protocol times is asserted in the tests themselves. */
const DEADLINE_MS = 10_000;

/** A log that keeps errors, so that a test can say there were none. */
export function collectingLog(): RealtimeLog & { errors: unknown[] } {
  const errors: unknown[] = [];
  const ignore = (): void => undefined;
  return {
    errors,
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (facts, message) => void errors.push({ message, ...facts }),
  };
}

/** A conformance server on a free port of the loopback interface. */
export function startServer(options: Partial<ConformanceOptions> = {}): Promise<ConformanceServer> {
  return startConformanceServer({ host: '127.0.0.1', port: 0, log: collectingLog(), ...options });
}

export type ServerPath = '/engine.io/' | '/socket.io/';

/** `http://…/engine.io/?EIO=4&transport=polling&…` */
export function pollUrl(server: ConformanceServer, sid?: string, path: ServerPath = '/engine.io/') {
  const suffix = sid === undefined ? '' : `&sid=${sid}`;
  return `http://127.0.0.1:${server.port}${path}?EIO=4&transport=polling${suffix}`;
}

export interface Answer {
  status: number;
  text: string;
  headers: Headers;
}

/** One HTTP request, read to the end. */
export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS), ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

export interface Open {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload: number;
}

export function parseOpen(packet: string): Open {
  if (!packet.startsWith('0')) throw new Error(`Not an open packet: ${packet}`);
  const open: Open = JSON.parse(packet.slice(1));
  return open;
}

/** A polling session, driven by hand. */
export interface PollingClient {
  sid: string;
  /** GET. */
  poll(init?: RequestInit): Promise<Answer>;
  /** POST. */
  push(body: string, init?: RequestInit): Promise<Answer>;
}

export async function openPolling(
  server: ConformanceServer,
  path: ServerPath = '/engine.io/',
): Promise<PollingClient> {
  const { text } = await request(pollUrl(server, undefined, path));
  const { sid } = parseOpen(text);
  const url = pollUrl(server, sid, path);
  return {
    sid,
    poll: (init) => request(url, init),
    push: (body, init) => request(url, { method: 'POST', body, ...init }),
  };
}

export type Received = string | Buffer;

/** A WebSocket whose frames are read one after another. */
export interface RawSocket {
  readonly ws: WebSocket;
  /** The next frame; text as a string. Pings are handed out unless `answerPings`. */
  next(): Promise<Received>;
  /** The frames that came and have not been read. */
  pending(): readonly Received[];
  /** The close code, once closed. */
  closed(): Promise<number>;
  send(frame: string | Uint8Array): void;
  /** Answer `2` with `3` from now on and keep both out of `next`. */
  answerPings(): void;
}

export function rawSocket(url: string, options: { headers?: Record<string, string> } = {}) {
  const ws = new WebSocket(url, { ...options, perMessageDeflate: false });
  const frames: Received[] = [];
  const waiting: ((frame: Received) => void)[] = [];
  let answering = false;
  let code: number | undefined;
  const onClose: ((code: number) => void)[] = [];
  ws.on('error', () => undefined); // A refusal also emits `close`.
  ws.on('message', (data: Buffer, isBinary) => {
    const frame = isBinary ? data : data.toString();
    if (answering && frame === '2') return ws.send('3');
    const next = waiting.shift();
    if (next === undefined) frames.push(frame);
    else next(frame);
  });
  ws.on('close', (closeCode) => {
    code = closeCode;
    for (const done of onClose) done(closeCode);
  });
  const socket: RawSocket = {
    ws,
    next: () => {
      const frame = frames.shift();
      if (frame !== undefined) return Promise.resolve(frame);
      return withDeadline('a frame', new Promise((resolve) => waiting.push(resolve)));
    },
    pending: () => frames,
    closed: () =>
      code !== undefined
        ? Promise.resolve(code)
        : withDeadline('a close', new Promise((resolve) => onClose.push(resolve))),
    send: (frame) => ws.send(frame),
    answerPings: () => {
      answering = true;
    },
  };
  return socket;
}

export function wsUrl(server: ConformanceServer, sid?: string, path: ServerPath = '/engine.io/') {
  const suffix = sid === undefined ? '' : `&sid=${sid}`;
  return `ws://127.0.0.1:${server.port}${path}?EIO=4&transport=websocket${suffix}`;
}

/** A WebSocket session, its open packet already read. */
export async function openWebSocket(
  server: ConformanceServer,
  path: ServerPath = '/engine.io/',
  query = '',
): Promise<RawSocket & { open: Open }> {
  const socket = rawSocket(wsUrl(server, undefined, path) + query);
  const open = parseOpen(String(await socket.next()));
  return Object.assign(socket, { open });
}

/** A WebSocket session connected to `/`, with the `auth` event read. */
export async function openSocketIo(server: ConformanceServer): Promise<RawSocket> {
  const socket = await openWebSocket(server, '/socket.io/');
  socket.answerPings();
  socket.send('40');
  await socket.next(); // 40{"sid":"…"}
  await socket.next(); // 42["auth",{}]
  return socket;
}

/** Opened and ready to send (a probe gets no first frame to wait for). */
export function opened(socket: RawSocket): Promise<void> {
  if (socket.ws.readyState === WebSocket.OPEN) return Promise.resolve();
  return withDeadline(
    'an open WebSocket',
    new Promise((resolve) => socket.ws.once('open', () => resolve())),
  );
}

/**
 * Writes `bytes` on a bare connection, `afterwards` once the first answer has come, and gives back
 * all that comes until the server closes it.
 */
export function rawExchange(
  port: number,
  bytes: string | Buffer,
  afterwards?: Buffer,
): Promise<string> {
  return withDeadline(
    'the end of a bare connection',
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      let received = '';
      socket.on('data', (chunk) => {
        if (received === '' && afterwards !== undefined) socket.write(afterwards);
        received += chunk.toString('latin1');
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
    }),
  );
}

export function withDeadline<T>(what: string, promise: Promise<T>, ms = DEADLINE_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Waited ${ms} ms for ${what}`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
