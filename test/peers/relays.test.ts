/** WebSockets that reach the wrong node. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { opened, type RawSocket, rawSocket, request } from '../conformance/support.ts';
import { uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import {
  openPolling,
  type PeerServer,
  type PeerServerOptions,
  startPeerServer,
  TOPIC,
  wsUrl,
} from './peer-server.ts';

const MAX_BACKPRESSURE_BYTES = 262_144;
const SHED_BYTES = 32_768;

let owner: PeerServer;
let other: PeerServer;

async function start(
  limits: PeerServerOptions['limits'] = {},
  maxConnections = Number.POSITIVE_INFINITY,
): Promise<void> {
  const options = { prefix: uniquePrefix(), limits };
  owner = await startPeerServer(options);
  other = await startPeerServer({ ...options, maxConnections });
}
beforeEach(() => start());
afterEach(async () => {
  expect([...owner.errors, ...other.errors]).toEqual([]);
  await Promise.all([owner.stop(), other.stop()]);
});

const relayed = (): number => other.node.stats().relayed;
const sessions = (): number => owner.server.stats().sessions;

/** A session of `owner` whose WebSocket is at `via`. */
async function upgraded(via: PeerServer, url = wsUrl): Promise<RawSocket & { sid: string }> {
  const { sid } = await openPolling(owner, via);
  const socket = rawSocket(url(via.port, sid));
  await opened(socket);
  socket.send('2probe');
  expect(await socket.next()).toBe('3probe');
  socket.send('5');
  socket.send('42["message","first"]');
  expect(await socket.next()).toBe('42["message-back","first"]');
  return Object.assign(socket, { sid });
}

describe('a WebSocket for a session of another node', () => {
  it('takes the session over, and carries text and bytes as they are, in order', async () => {
    const socket = await upgraded(other);
    expect(relayed()).toBe(1);
    expect(owner.server.stats().websocketSessions).toBe(1);
    const bytes = Buffer.from([0, 255, 1, 254, 10, 13]);
    socket.send('451-["message",{"_placeholder":true,"num":0}]');
    socket.send(bytes);
    expect(await socket.next()).toBe('451-["message-back",{"_placeholder":true,"num":0}]');
    expect(await socket.next()).toEqual(bytes);
    const texts = Array.from({ length: 500 }, (_, n) => `${n} ü€😀`);
    for (const text of texts) socket.send(`42${JSON.stringify(['message', text])}`);
    for (const text of texts) {
      expect(await socket.next()).toBe(`42${JSON.stringify(['message-back', text])}`);
    }
  });

  it('hears what is published, once, but not what it publishes itself', async () => {
    const here = await upgraded(owner);
    const there = [await upgraded(other), await upgraded(other)];
    const all = [here, ...there];
    expect(owner.server.subscribers(TOPIC)).toBe(3);
    owner.server.publish(TOPIC, '42["to all"]');
    for (const [id, socket] of [...owner.sockets].entries()) {
      owner.server.publish(TOPIC, `42["but",${id}]`, { except: [socket[1]] });
    }
    owner.server.publish(TOPIC, '42["the end"]');
    for (const [index, socket] of all.entries()) {
      const others = [0, 1, 2].filter((id) => id !== index).map((id) => `42["but",${id}]`);
      for (const frame of ['42["to all"]', ...others, '42["the end"]']) {
        expect(await socket.next()).toBe(frame);
      }
      expect(socket.pending()).toEqual([]);
    }
  });

  it('is closed when the client closes, and the session with it', async () => {
    const socket = await upgraded(other);
    socket.ws.close();
    await waitFor(() => sessions() === 0 && relayed() === 0, { what: 'the end of both' });
    expect(other.node.stats().relays.closed).toBe(1);
  });

  it('is closed when its node closes the session', async () => {
    const socket = await upgraded(other);
    socket.send('not a packet');
    await socket.closed();
    await waitFor(() => sessions() === 0 && relayed() === 0, { what: 'the end of both' });
  });

  it('that gives up its probe leaves the session as it was', async () => {
    const { sid, url } = await openPolling(owner, other);
    const socket = rawSocket(wsUrl(other.port, sid));
    await opened(socket);
    socket.send('2probe');
    expect(await socket.next()).toBe('3probe');
    socket.ws.close();
    await waitFor(() => relayed() === 0, { what: 'the end of the relay' });
    await request(url(other.port), { method: 'POST', body: '42["message","still"]' });
    await waitFor(
      async () => (await request(url(other.port))).text === '42["message-back","still"]',
      { what: 'the answer' },
    );
  });

  it('takes over every one of many sessions', async () => {
    for (let round = 0; round < 8; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => upgraded(other)));
      for (const { ws } of sockets) ws.close();
    }
    await waitFor(() => sessions() === 0 && relayed() === 0, { what: 'their ends' });
    expect(other.node.stats().relays.closed).toBe(160);
  }, 60_000);

  it('beside a first one is closed at once, and the first goes on', async () => {
    const first = await upgraded(other);
    const second = rawSocket(wsUrl(other.port, first.sid));
    await second.closed();
    first.send('42["message","on"]');
    expect(await first.next()).toBe('42["message-back","on"]');
  });

  it('of a client that goes during the handshake leaves nothing behind', async () => {
    const { sid } = await openPolling(owner, other);
    for (let round = 0; round < 20; round += 1) {
      const client = connect(other.port, '127.0.0.1');
      client.write(
        `GET /socket.io/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1\r\nHost: x\r\n` +
          'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        () => client.destroy(),
      );
      await new Promise((resolve) => client.once('close', resolve));
    }
    await waitFor(
      () => Object.values(other.node.stats().relays).reduce((sum, n) => sum + n, 0) === 20,
      { what: 'their ends' },
    );
    expect(relayed()).toBe(0);
    expect(sessions()).toBe(1);
  });
});

describe('the heartbeat of a relayed WebSocket', () => {
  beforeEach(async () => {
    await Promise.all([owner.stop(), other.stop()]);
    await start({ pingIntervalMs: 1_000, pingTimeoutMs: 500 });
  });

  it('is between the client and its node', async () => {
    const socket = await upgraded(other);
    for (let beat = 0; beat < 2; beat += 1) {
      expect(await socket.next()).toBe('2');
      socket.send('3');
    }
    await socket.closed(); // The third one is not answered.
    expect(owner.server.stats().closed.get('ping timeout')).toBe(1);
    expect(relayed()).toBe(0);
  });
});

describe('a relayed client that does not read', () => {
  /** Longer than it takes to fill the buffers of the kernel, so that those are found full. */
  const PING = { pingIntervalMs: 3_000, pingTimeoutMs: 1_000 };
  const FRAME = `42["fill","${'x'.repeat(60_000)}"]`;
  /** What the kernel may hold on the way: four sockets of at most a few megabytes. */
  const MAX_ON_THE_WAY_BYTES = 48_000_000;

  beforeEach(async () => {
    await Promise.all([owner.stop(), other.stop()]);
    await start({
      ...PING,
      maxBackpressureBytes: MAX_BACKPRESSURE_BYTES,
      shedBackpressureBytes: SHED_BYTES,
    });
  });

  it('is seen to be behind by its node, which closes it; the relay holds little', async () => {
    const socket = await upgraded(other);
    socket.ws.pause();
    let sent = 0;
    await waitFor(
      () => {
        for (let n = 0; n < 4; n += 1) {
          owner.server.publish(TOPIC, FRAME);
          sent += FRAME.length;
        }
        return owner.server.stats().closed.get('slow reader') === 1;
      },
      { what: 'the end of a slow reader', intervalMs: 1 },
    );
    expect(sent).toBeLessThan(MAX_ON_THE_WAY_BYTES);
    // Nothing tells the relay that its paused connection has ended; it does not wait for ever.
    await waitFor(() => relayed() === 0, { what: 'the end of the relay' });
    expect(other.node.stats().relays.stalled).toBe(1);
  });

  it('but starts to read again goes on, and has missed nothing', async () => {
    const socket = await upgraded(other);
    socket.answerPings();
    socket.ws.pause();
    let sent = 0;
    await waitFor(
      () => {
        owner.server.publish(TOPIC, `42["fill",${sent},"${'x'.repeat(60_000)}"]`);
        sent += 1;
        return owner.server.stats().slowSessions === 1;
      },
      { what: 'its node to notice', intervalMs: 1 },
    );
    socket.ws.resume();
    for (let n = 0; n < sent; n += 1) {
      expect(String(await socket.next()).startsWith(`42["fill",${n},`)).toBe(true);
    }
    socket.send('42["message","here"]');
    expect(await socket.next()).toBe('42["message-back","here"]');
  });
});

describe('a drain', () => {
  it('of the relaying node closes what it relays, spread over the grace', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => upgraded(other)));
    const ends: number[] = [];
    for (const { ws } of sockets) ws.on('close', () => ends.push(performance.now()));
    const startedAt = performance.now();
    await other.node.drain(500);
    await waitFor(() => ends.length === sockets.length, { what: 'all ends' });
    const first = (ends[0] ?? 0) - startedAt;
    const last = (ends.at(-1) ?? 0) - startedAt;
    expect(last - first).toBeGreaterThan(300);
    await waitFor(() => sessions() === 0, { what: 'the end of the sessions' });
  });

  it('of the relaying node answers the polls it passes on, and their clients start anew', async () => {
    const { url } = await openPolling(owner, other);
    const poll = request(url(other.port));
    await waitFor(() => other.node.stats().requests.answered === 2, { what: 'the handshake' });
    await waitFor(
      async () => {
        await other.node.drain(0);
        return other.node.stats().requests.failed === 1;
      },
      { what: 'the poll to be ended' },
    );
    expect(JSON.parse((await poll).text).code).toBe(1);
    await waitFor(() => sessions() === 0, { what: 'the end of the session' });
  });

  it('of the node that has the session closes it through the relay', async () => {
    const socket = await upgraded(other);
    await owner.server.drain({ overMs: 50, finishMs: 1_000 });
    await socket.closed();
    await waitFor(() => relayed() === 0, { what: 'the end of the relay' });
  });
});

describe('the connections of a node', () => {
  const open = (): number => other.connections.stats().open;

  it('are those of its clients and those it opens for them, until they close', async () => {
    // Far more than what the requests before the upgrades leave behind for some seconds.
    const sockets = await Promise.all(Array.from({ length: 30 }, () => upgraded(other)));
    const most = open();
    expect(most).toBeGreaterThanOrEqual(2 * sockets.length);
    for (const socket of sockets) socket.ws.close();
    await waitFor(() => open() <= most - 2 * sockets.length, { what: 'their end' });
  });

  it('leave no place for a relay when there is none', async () => {
    await Promise.all([owner.stop(), other.stop()]);
    await start({}, 1);
    const { sid } = await openPolling(owner, owner);
    const socket = rawSocket(wsUrl(other.port, sid));
    await socket.closed();
    expect(other.node.stats().relays.closed).toBe(0);
    await waitFor(() => open() === 0, { what: 'no connection' });
  });
});
