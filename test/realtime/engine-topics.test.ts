// Topics and slow readers, with raw clients that read when the test says so.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import { createTopics, type TopicMember } from '../../src/realtime/engine-topics.ts';
import type { Ack, Socket } from '../../src/realtime/socket.ts';
import { createSocketServer, type SocketServer } from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive, type TemplatedApp } from '../../src/realtime/uws.ts';
import { ascii } from '../../src/shared/native-text.ts';
import {
  collectingLog,
  opened,
  parseOpen,
  type RawSocket,
  rawSocket,
  request,
} from '../conformance/support.ts';
import { waitFor } from '../support/wait.ts';

const KILOBYTE = 1024;
const limits = {
  ...SOCKET_SERVER_LIMITS,
  maxBackpressureBytes: 512 * KILOBYTE,
  shedBackpressureBytes: 16 * KILOBYTE,
  maxPollingBufferBytes: 64 * KILOBYTE,
  maxTopicsPerSocket: 3,
};

let server: SocketServer;
let base: string;
let stop: () => Promise<void>;
let fresh: Socket[] = [];
let acks: Ack[] = [];
/** Whether publishing fails. */
let broken = false;
/** Topics of what was published, as uWebSockets.js knows them. */
let published: string[] = [];
const reasons = new Map<Socket, string>();
beforeAll(async () => {
  const app = createUwsApp();
  const publish = app.publish.bind(app);
  app.publish = (topic, ...rest) => {
    published.push(String(topic));
    if (broken) throw new Error('broken');
    return publish(topic, ...rest);
  };
  const namespace = {
    onConnect: () => undefined,
    onConnected: (socket: Socket) => void fresh.push(socket),
    onEvent: (_socket: Socket, _event: string, _args: unknown[], ack: Ack | undefined) => {
      if (ack !== undefined) acks.push(ack);
    },
    onDisconnect: (socket: Socket, reason: string) => void reasons.set(socket, reason),
  };
  server = createSocketServer({
    app,
    path: '/socket.io/',
    limits,
    corsOrigins: '*',
    log: collectingLog(),
  });
  server.mount('/', namespace);
  server.mount('/custom', namespace);
  const listening = await listenExclusive(app, '127.0.0.1', 0);
  base = `127.0.0.1:${listening.port}/socket.io/?EIO=4&transport=`;
  stop = async () => {
    listening.stop();
    await server.close();
    app.close();
  };
});
afterAll(() => stop());
beforeEach(() => {
  fresh = [];
  acks = [];
});

const frameOf = (i: number, bytes = 0): string => `42["n",${i},"${'x'.repeat(bytes)}"]`;
const numberOf = (frame: string): number => Number(/^42\["n",(\d+)/.exec(frame)?.[1]);

async function webSocket(): Promise<{ raw: RawSocket; socket: Socket }> {
  const raw = rawSocket(`ws://${base}websocket`);
  raw.answerPings();
  await raw.next();
  raw.send('40');
  await raw.next();
  return { raw, socket: lastSocket() };
}

function lastSocket(): Socket {
  const socket = fresh.at(-1);
  if (socket === undefined) throw new Error('nobody has connected');
  return socket;
}

async function polling() {
  const { sid } = parseOpen((await request(`http://${base}polling`)).text);
  const url = `http://${base}polling&sid=${sid}`;
  await request(url, { method: 'POST', body: '40' });
  await request(url);
  return {
    sid,
    socket: lastSocket(),
    poll: () => request(url),
    push: (body: string) => request(url, { method: 'POST', body }),
  };
}

it('who cannot be subscribed again ends, and the others are', () => {
  const seen: string[] = [];
  const member = (sid: string, subscribe: () => boolean) => ({
    socket: {
      isSubscribed: () => true,
      unsubscribe: () => true,
      publish: () => true,
      subscribe,
    } as unknown as TopicMember['socket'],
    sid,
    hasOwnTopic: false,
    deliver: () => undefined,
    bufferedBytes: () => 0,
    endSlow: () => void seen.push(`${sid} ended`),
  });
  const members = [
    member('sender', () => true),
    member('closed', () => {
      throw new Error('Invalid access of closed uWS.WebSocket');
    }),
    member('open', () => seen.push('open subscribed') > 0),
  ];
  const topics = createTopics<TopicMember>({
    app: {} as TemplatedApp,
    ownTopicPrefix: ascii('own'),
    maxBackpressureBytes: 1_000,
    shedBackpressureBytes: 1_000,
    members: () => members,
  });
  topics.publish(ascii('topic'), 'frame', members, false);
  expect(seen).toEqual(['closed ended', 'open subscribed']);
});

describe('publish', () => {
  it('reaches those who joined, over both transports, and nobody else', async () => {
    const [a, b, p, q] = [await webSocket(), await webSocket(), await polling(), await polling()];
    a.socket.join('room');
    p.socket.join('room');
    expect(server.subscribers('room')).toBe(2);
    server.publish('room', frameOf(1));
    expect(await a.raw.next()).toBe(frameOf(1));
    expect((await p.poll()).text).toBe(frameOf(1));
    for (const { socket } of [b, q]) socket.emit('own');
    expect(await b.raw.next()).toBe('42["own"]');
    expect((await q.poll()).text).toBe('42["own"]');
    for (const { socket } of [a, b, p, q]) socket.disconnect(true);
    expect(server.subscribers('room')).toBe(0);
  });

  it('takes bytes of text as well as text', async () => {
    const [a, p] = [await webSocket(), await polling()];
    for (const { socket } of [a, p]) socket.join('bytes');
    server.publish('bytes', Buffer.from('42["é"]'));
    expect(await a.raw.next()).toBe('42["é"]');
    expect((await p.poll()).text).toBe('42["é"]');
    a.raw.ws.close();
  });

  it('leaves one out, whatever its transport', async () => {
    const [a, b, p, q] = [await webSocket(), await webSocket(), await polling(), await polling()];
    const all = [a, b, p, q];
    for (const { socket } of all) socket.join('except');
    server.publish('except', frameOf(1), { except: [a.socket] });
    server.publish('except', frameOf(2), { except: [p.socket] });
    expect(await a.raw.next()).toBe(frameOf(2));
    expect(await b.raw.next()).toBe(frameOf(1));
    expect(await b.raw.next()).toBe(frameOf(2));
    expect((await p.poll()).text).toBe(frameOf(1));
    expect((await q.poll()).text).toBe(`${frameOf(1)}\x1e${frameOf(2)}`);
    for (const { socket } of all) socket.disconnect(true);
  });

  it('lets those left out of one that fails hear the next', async () => {
    const [a, b, p] = [await webSocket(), await webSocket(), await polling()];
    for (const { socket } of [a, b, p]) socket.join('failing');
    broken = true;
    const except = [p.socket, a.socket, b.socket];
    expect(() => server.publish('failing', frameOf(1), { except })).toThrow('broken');
    broken = false;
    server.publish('failing', frameOf(2));
    for (const { raw } of [a, b]) expect(await raw.next()).toBe(frameOf(2));
    for (const { socket } of [a, b, p]) socket.disconnect(true);
  });

  it('keeps the order of publishes and direct frames', async () => {
    const [a, p] = [await webSocket(), await polling()];
    for (const { socket } of [a, p]) socket.join('order');
    for (let i = 0; i < 200; i += 2) {
      server.publish('order', frameOf(i));
      for (const { socket } of [a, p]) socket.sendFrame(frameOf(i + 1));
    }
    for (let i = 0; i < 200; i++) expect(await a.raw.next()).toBe(frameOf(i));
    const packets = (await p.poll()).text.split('\x1e');
    expect(packets.map(numberOf)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    a.raw.ws.close();
  });

  it('keeps that order in what goes out together, also of long frames and when something throws', async () => {
    const [a, p] = [await webSocket(), await polling()];
    const lengths = Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 6 * KILOBYTE : i));
    const expected = lengths.map((bytes, i) => frameOf(i, bytes));
    for (const { socket } of [a, p]) {
      socket.join('together');
      const sendAll = (): void =>
        socket.together(() => {
          for (const [i, frame] of expected.entries()) {
            if (i % 10 === 3) server.publish('together', frame, { except: [other(socket)] });
            else socket.sendFrame(frame);
          }
          throw new Error('at the end');
        });
      expect(sendAll).toThrow('at the end');
    }
    for (const frame of expected) expect(await a.raw.next()).toBe(frame);
    expect((await p.poll()).text.split('\x1e')).toEqual(expected);
    for (const { socket } of [a, p]) socket.disconnect(true);

    function other(socket: Socket): Socket {
      return socket === a.socket ? p.socket : a.socket;
    }
  });

  for (const transport of ['websocket', 'polling'] as const) {
    it(`keeps the order of publishes, direct frames and JSON answers (${transport})`, async () => {
      const asked = Array.from({ length: 100 }, (_, i) => `42${i}["ask"]`);
      const [a, p] = transport === 'websocket' ? [await webSocket()] : [undefined, await polling()];
      const { socket } = a ?? p ?? (await webSocket());
      for (const packet of asked) a?.raw.send(packet);
      await p?.push(asked.join('\x1e'));
      await waitFor(() => acks.length === asked.length, { what: 'the questions' });
      socket.join('mixed');
      const expected: string[] = [];
      acks.forEach((ack, i) => {
        server.publish('mixed', frameOf(i));
        ack.json(String(i), 'mixed');
        ack.json('"again"');
        socket.sendFrame('42["direct"]');
        server.publish('mixed', frameOf(-i));
        expected.push(frameOf(i), `43${i}[${i}]`, '42["direct"]', frameOf(-i));
      });
      const got = [];
      if (a !== undefined) for (const _ of expected) got.push(await a.raw.next());
      if (p !== undefined) got.push(...(await p.poll()).text.split('\x1e'));
      expect(got).toEqual(expected);
      socket.disconnect(true);
    });
  }

  it('keeps that order where many hear it, and each of them hears all', async () => {
    const others: Awaited<ReturnType<typeof webSocket>>[] = [];
    // With the one that asks, one more than among whom an answer shares a write.
    while (others.length < 256) others.push(await webSocket());
    for (const { socket } of others) socket.join('crowd');
    const { raw, socket } = await webSocket();
    socket.join('crowd');
    raw.send('420["ask"]');
    await waitFor(() => acks.length === 1, { what: 'the question' });
    published = [];
    server.publish('crowd', frameOf(1));
    acks[0]?.json('"answer"', 'crowd');
    server.publish('crowd', frameOf(2));
    const got = [await raw.next(), await raw.next(), await raw.next()];
    expect(got).toEqual([frameOf(1), '430["answer"]', frameOf(2)]);
    expect(new Set(published).size).toBe(1);
    // With one less the answer is published to a topic of its own.
    raw.send('421["ask"]');
    await waitFor(() => acks.length === 2, { what: 'the second question' });
    others[0]?.socket.leave('crowd');
    published = [];
    acks[1]?.json('"again"', 'crowd');
    expect(published).toHaveLength(1);
    expect(await raw.next()).toBe('431["again"]');
    for (const other of others) {
      expect(await other.raw.next()).toBe(frameOf(1));
      expect(await other.raw.next()).toBe(frameOf(2));
      other.raw.ws.close();
    }
    raw.ws.close();
  });

  it('and JSON answers reach the client before a close in the same turn', async () => {
    for (const end of [
      (socket: Socket) => socket.closeTransport('server shutting down'),
      (socket: Socket) => socket.disconnect(true),
    ]) {
      acks = [];
      const { raw, socket } = await webSocket();
      raw.send('427["ask"]');
      await waitFor(() => acks.length === 1, { what: 'the question' });
      socket.join('last');
      acks[0]?.json('"answer"', 'last');
      server.publish('last', frameOf(1));
      end(socket);
      expect(await raw.next()).toBe('437["answer"]');
      expect(await raw.next()).toBe(frameOf(1));
      await raw.closed();
    }
  });

  it('stays within its namespace', async () => {
    const { raw, socket } = await webSocket();
    raw.send('40/custom,');
    await raw.next();
    const custom = lastSocket();
    socket.join('shared');
    server.publish('shared', '42/custom,["wrong"]', { namespace: '/custom' });
    custom.join('shared');
    server.publish('shared', '42/custom,["right"]', { namespace: '/custom' });
    server.publish('shared', '42["main"]');
    expect(await raw.next()).toBe('42/custom,["right"]');
    expect(await raw.next()).toBe('42["main"]');
    custom.leaveAll();
    expect(server.subscribers('shared', '/custom')).toBe(0);
    expect(server.subscribers('shared')).toBe(1);
    raw.ws.close();
  });
});

describe('membership', () => {
  it.each(['websocket', 'polling'])(
    'ends by leave, leaveAll and the end, over %s',
    async (kind) => {
      const { socket } = kind === 'websocket' ? await webSocket() : await polling();
      for (const topic of ['a', 'a', '__proto__', 'c']) socket.join(topic);
      expect(['a', '__proto__', 'c'].map((topic) => server.subscribers(topic))).toEqual([1, 1, 1]);
      expect(() => socket.join('one too many')).toThrow(RangeError);
      socket.leave('a');
      socket.leave('a');
      expect(server.subscribers('a')).toBe(0);
      socket.join('b');
      socket.leaveAll();
      expect(['b', '__proto__', 'c'].map((topic) => server.subscribers(topic))).toEqual([0, 0, 0]);
      socket.join('a');
      socket.disconnect();
      expect(server.subscribers('a')).toBe(0);
      socket.join('a');
      expect(server.subscribers('a')).toBe(0);
      socket.disconnect(true);
    },
  );

  it('moves with an upgrade: nothing is lost, doubled or reordered', async () => {
    for (let round = 0; round < 5; round++) {
      const { sid, socket, poll } = await polling();
      socket.join('moving');
      let published = 0;
      let running = true;
      const publishing = (async () => {
        while (running) {
          for (let i = 0; i < 3; i++) server.publish('moving', frameOf(published++));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const received: number[] = [];
      const collect = (text: string): void => {
        for (const packet of text.split('\x1e'))
          if (packet !== '6') received.push(numberOf(packet));
      };
      collect((await poll()).text);
      const raw = rawSocket(`ws://${base}websocket&sid=${sid}`);
      await opened(raw);
      raw.send('2probe');
      expect(await raw.next()).toBe('3probe');
      collect((await poll()).text); // The client finishes its GET before it upgrades.
      raw.send('5');
      while (received.length < 2_000) collect(String(await raw.next()));
      running = false;
      await publishing;
      expect(received.slice(0, 2_000)).toEqual(Array.from({ length: 2_000 }, (_, i) => i));
      socket.disconnect(true);
    }
  });
});

describe('a reader that is too slow', () => {
  it('over WebSocket is closed with bounded memory and without a hole before the end', async () => {
    const [slow, quick] = [await webSocket(), await webSocket()];
    for (const { socket } of [slow, quick]) socket.join('flood');
    slow.raw.ws.pause();
    let highestBytes = 0;
    let published = 0;
    await waitFor(
      () => {
        for (let i = 0; i < 50; i++) server.publish('flood', frameOf(published++, 4 * KILOBYTE));
        highestBytes = Math.max(highestBytes, slow.socket.bufferedBytes());
        return !slow.socket.connected;
      },
      { what: 'the slow reader to be closed', intervalMs: 1, timeoutMs: 15_000 },
    );
    expect(reasons.get(slow.socket)).toBe('slow reader');
    expect(highestBytes).toBeGreaterThan(limits.maxBackpressureBytes / 2);
    expect(highestBytes).toBeLessThan(2 * limits.maxBackpressureBytes);
    // The quick one had everything.
    for (let i = 0; i < published; i++) expect(numberOf(String(await quick.raw.next()))).toBe(i);
    // The slow one finds a beginning without holes, then the end.
    slow.raw.ws.resume();
    expect(await slow.raw.closed()).toBe(1006);
    const numbers = slow.raw.pending().map((frame) => numberOf(String(frame)));
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers).toEqual(numbers.map((_, i) => i));
    quick.raw.ws.close();
  });

  it('over WebSocket is closed by direct frames too', async () => {
    const { raw, socket } = await webSocket();
    raw.ws.pause();
    await waitFor(
      () => {
        for (let i = 0; i < 50; i++) socket.sendFrame(frameOf(i, 8 * KILOBYTE));
        return !socket.connected;
      },
      { what: 'the slow reader to be closed', intervalMs: 1 },
    );
    expect(reasons.get(socket)).toBe('slow reader');
    raw.ws.terminate();
  });

  it('over WebSocket is closed by JSON answers too', async () => {
    const { raw, socket } = await webSocket();
    raw.ws.pause();
    let asked = 0;
    let highestBytes = 0;
    await waitFor(
      () => {
        for (let i = 0; i < 50 && raw.ws.bufferedAmount === 0; i++) raw.send(`42${asked++}["ask"]`);
        for (const ack of acks.splice(0)) ack.json(`"${'x'.repeat(8 * KILOBYTE)}"`, 'flood');
        highestBytes = Math.max(highestBytes, socket.bufferedBytes());
        return !socket.connected;
      },
      { what: 'the slow reader to be closed', intervalMs: 1, timeoutMs: 15_000 },
    );
    expect(reasons.get(socket)).toBe('slow reader');
    expect(highestBytes).toBeLessThan(2 * limits.maxBackpressureBytes);
    raw.ws.terminate();
  });

  it('over polling is closed when its buffer is full, and told so at its next GET', async () => {
    const { socket, poll } = await polling();
    socket.join('flood');
    let published = 0;
    let highestBytes = 0;
    await waitFor(
      () => {
        server.publish('flood', frameOf(published++, 4 * KILOBYTE));
        highestBytes = Math.max(highestBytes, socket.bufferedBytes());
        return !socket.connected;
      },
      { what: 'the slow reader to be closed', intervalMs: 0 },
    );
    expect(highestBytes).toBeLessThanOrEqual(limits.maxPollingBufferBytes);
    expect(highestBytes).toBeGreaterThan(limits.maxPollingBufferBytes / 2);
    expect((await poll()).status).toBe(400);
  });

  it('misses ephemeral frames only, while the others get them', async () => {
    const [slow, quick, poller] = [await webSocket(), await webSocket(), await polling()];
    for (const { socket } of [slow, quick, poller]) socket.join('typing');
    slow.raw.ws.pause();
    // Behind the watermark, but not near the limit.
    await waitFor(
      () => {
        slow.socket.sendFrame(frameOf(0, 8 * KILOBYTE));
        return slow.socket.bufferedBytes() > 4 * limits.shedBackpressureBytes;
      },
      { what: 'backpressure', intervalMs: 1 },
    );
    for (let i = 0; i < 3; i++) poller.socket.sendFrame(frameOf(0, 8 * KILOBYTE));
    expect(server.stats().slowSessions).toBe(1);
    server.publish('typing', frameOf(1));
    server.publish('typing', frameOf(2), { shed: true });
    server.publish('typing', frameOf(3));
    for (const i of [1, 2, 3]) expect(await quick.raw.next()).toBe(frameOf(i));
    const polled = (await poller.poll()).text.split('\x1e').map(numberOf);
    expect(polled.filter((i) => i !== 0)).toEqual([1, 3]);

    slow.raw.ws.resume();
    const received: number[] = [];
    while (received.at(-1) !== 3) {
      const i = numberOf(String(await slow.raw.next()));
      if (i !== 0) received.push(i);
    }
    expect(received).toEqual([1, 3]);
    // It has caught up: ephemeral frames reach it again.
    await waitFor(() => server.stats().slowSessions === 0, { what: 'the slow one to catch up' });
    server.publish('typing', frameOf(4), { shed: true });
    expect(await slow.raw.next()).toBe(frameOf(4));
    for (const { socket } of [slow, quick, poller]) socket.disconnect(true);
  });
});
