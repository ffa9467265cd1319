// Any bytes, on both transports: the process lives, other connections are served, and a session is
// either open and working or gone. FUZZ_PACKETS sets the length (default: a share that CI can bear).

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { waitFor } from '../support/wait.ts';
import {
  collectingLog,
  openPolling,
  openSocketIo,
  openWebSocket,
  type RawSocket,
  startServer,
} from './support.ts';

const PACKETS = Number(process.env.FUZZ_PACKETS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_007);

const log = collectingLog();
let server: ConformanceServer;
let witness: RawSocket;
beforeAll(async () => {
  server = await startServer({
    log,
    // A session that is told to close while nobody polls waits for a GET only so long.
    limits: { pingIntervalMs: 60_000, connectTimeoutMs: 60_000, closeTimeoutMs: 500 },
  });
  witness = await openSocketIo(server);
});
afterAll(() => server.close());

/** A small generator that a printed seed repeats (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
const next = random(SEED);
const below = (limit: number): number => Math.floor(next() * limit);

/** Valid packets, and the tokens they are made of. */
const SEEDS = [
  '42["message",1,{"a":[true,null,"x"]}]',
  '421["message-with-ack","é€😀"]',
  '452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
  '461-5[{"_placeholder":true,"num":0}]',
  '40/custom,{"token":"a"}',
  '41/custom,',
  '42/custom,["message"]',
  '4312[1]',
  '3',
  '6',
  'bAQIDBA==',
];
const TOKENS = [
  ...'0123456789[]{}",:/-\\b',
  '"_placeholder"',
  'true',
  '"num"',
  '\x1e',
  '\u0000',
  '😀',
];

function mutate(packet: string): string {
  let text = packet;
  for (let i = below(4); i > 0; i--) {
    const at = below(text.length + 1);
    const end = at + below(4);
    const kind = below(4);
    if (kind === 0) text = text.slice(0, at) + text.slice(end);
    else if (kind === 1)
      text = text.slice(0, at) + (TOKENS[below(TOKENS.length)] ?? '') + text.slice(at);
    else if (kind === 2)
      text = text.slice(0, at) + String.fromCharCode(below(0xd800)) + text.slice(end);
    else text = text.slice(0, at) + text.slice(0, end) + text.slice(at);
  }
  return text;
}

/** Mostly good, or a session would never get past its first packets. */
function frame(): string | Uint8Array {
  const kind = below(20);
  if (kind === 0) return Uint8Array.from({ length: below(20) }, () => below(256));
  if (kind === 1) {
    return Array.from({ length: below(12) }, () => TOKENS[below(TOKENS.length)]).join('');
  }
  const packet = SEEDS[below(SEEDS.length)] ?? '';
  return kind < 8 ? mutate(packet) : packet;
}

async function isServed(): Promise<void> {
  const mark = below(1_000_000);
  witness.send(`42["message",${mark}]`);
  expect(await witness.next()).toBe(`42["message-back",${mark}]`);
}

const CLIENTS = 20;
/** Frames a connection is given: the first malformed one ends it, the rest is not looked at. */
const FRAMES = 6;
const timeout = Math.max(60_000, PACKETS * 2);

describe(`fuzz, seed ${SEED}`, () => {
  it(
    'over WebSocket',
    async () => {
      let sent = 0;
      while (sent < PACKETS) {
        const sockets = await Promise.all(
          Array.from({ length: CLIENTS }, (_, i) =>
            i % 2 === 0 ? openSocketIo(server) : openWebSocket(server, '/socket.io/'),
          ),
        );
        for (const socket of sockets) {
          for (let i = 0; i < FRAMES; i++, sent++) socket.send(frame());
          socket.ws.close();
        }
        await Promise.all(sockets.map((socket) => socket.closed()));
        await isServed();
      }
      await waitFor(() => server.sockets.stats().sessions === 1, { what: 'the sessions to end' });
      expect(log.errors).toEqual([]);
    },
    timeout,
  );

  it(
    'over polling',
    async () => {
      let sent = 0;
      while (sent < PACKETS / 40) {
        await Promise.all(
          Array.from({ length: CLIENTS }, async () => {
            const client = await openPolling(server, '/socket.io/');
            await client.push('40');
            for (let i = 0; i < 5; i++, sent++) {
              const body = frame();
              const { status } = await client.push(String(body));
              expect([200, 400]).toContain(status);
              if (status === 400) return;
            }
            await client.push('1');
          }),
        );
        await isServed();
      }
      await waitFor(() => server.sockets.stats().sessions === 1, { what: 'the sessions to end' });
      expect(log.errors).toEqual([]);
    },
    timeout,
  );
});
