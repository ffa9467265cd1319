/** 100 kB of adversarial text holds nobody else up: the event loop is never blocked over 50 ms. */
import type { Socket } from 'socket.io-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { useScene } from '../support/scene.ts';
import { waitFor } from '../support/wait.ts';
import { hugeTexts } from './hostile-texts.ts';
import { callRest } from './operations.ts';

const LIMIT_MS = 50;
const TRIES = 5;

// All of a text reaches the removal of markup, the most that is ever done with it.
const scene = useScene({
  settings: {
    MAX_CONTENT_LENGTH: '200000',
    MAX_BACKPRESSURE_BYTES: '8000000',
    SANITIZE_HTML: 'strip',
  },
});
let socket: Socket;
let conversation_id: string;

beforeAll(async () => {
  conversation_id = await scene.conversation();
  socket = scene.app.connect(scene.alice.id, { transports: ['websocket'] });
  await connected(socket);
  await ask(socket, 'join_conversation', conversation_id);
});

/**
 * The longest time the event loop stood still during `work` because the process was computing,
 * milliseconds: of each stretch between two ticks the shorter of the time that passed and the
 * processor time spent, since on a busy machine others take the processor away for longer.
 */
async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  const look = () => {
    const { user, system } = process.cpuUsage();
    return { passedMs: performance.now(), spentMs: (user + system) / 1_000 };
  };
  let before = look();
  let longest = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    const now = look();
    const blocked = Math.min(now.passedMs - before.passedMs, now.spentMs - before.spentMs);
    longest = Math.max(longest, blocked);
    before = now;
    ticks += 1;
  }, 1);
  try {
    await work();
    // A block is seen by the tick after it.
    const seen = ticks;
    await waitFor(() => ticks > seen, { what: 'a tick', intervalMs: 1 });
  } finally {
    clearInterval(timer);
  }
  return longest;
}

/** A collection of garbage or a first compilation happens once; a text that blocks does so every time. */
async function bestOf(work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0; n < TRIES && best > LIMIT_MS / 2; n += 1) {
    best = Math.min(best, await longestBlockMs(work));
  }
  return best;
}

const send = (body: object) => ask(socket, 'send_message', { conversation_id, ...body });
const post = (body: object) => {
  const path = `/messages/${conversation_id}`;
  return callRest(scene.app.url, { method: 'POST', path, body: { sender_id: null, ...body } }, {});
};

it('the measure sees a block', async () => {
  const block = async () => {
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 2_000 * LIMIT_MS);
  };
  expect(await longestBlockMs(block)).toBeGreaterThan(LIMIT_MS);
});

describe.each(Object.entries(hugeTexts))('%s', (_name, text) => {
  it('as content, on both doors', async () => {
    expect(await bestOf(() => send({ content: text }))).toBeLessThan(LIMIT_MS);
    expect(await bestOf(() => post({ content: text }))).toBeLessThan(LIMIT_MS);
  });

  it('as an id, a key and a URL', async () => {
    const fields = ['sender_id', 'client_message_id', 'media_url', 'message_type'];
    const work = () => Promise.all(fields.map((field) => send({ content: 'x', [field]: text })));
    expect(await bestOf(work)).toBeLessThan(LIMIT_MS);
  });
});
