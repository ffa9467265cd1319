// What is held of clients on its way to another process is counted in the budget of this one.

import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { rawSocket } from '../conformance/support.ts';
import { uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { openPolling, type PeerServer, startPeerServer, wsUrl } from './peer-server.ts';

const MAX_HELD_BYTES = 2_000_000;

let owner: PeerServer;
let other: PeerServer;
beforeAll(async () => {
  const prefix = uniquePrefix();
  owner = await startPeerServer({ prefix });
  other = await startPeerServer({ prefix, maxHeldBytes: MAX_HELD_BYTES });
});
afterAll(async () => {
  await Promise.all([owner.stop(), other.stop()]);
  expect([...owner.errors, ...other.errors]).toEqual([]);
});
afterEach(async () => {
  for (const socket of bare.splice(0)) socket.destroy();
  await waitFor(() => held() === 0, { what: 'everything to be let go' });
});

const held = (): number => other.memory.stats().heldBytes;
const bare: Socket[] = [];

/** A POST of a new session of `owner`, to `other`. */
async function beginPost(head: string, written: string): Promise<Socket> {
  const { sid } = await openPolling(owner, owner);
  const socket = connect(other.port, '127.0.0.1');
  bare.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(
    `POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`,
  );
  socket.write(written);
  return socket;
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

describe('a POST passed on', () => {
  it('is counted, and let go with its client', async () => {
    const socket = await beginPost('Content-Length: 600000', 'x'.repeat(500_000));
    await waitFor(() => held() >= 500_000, { what: 'the body to be counted' });
    socket.destroy();
  });

  it('of many is held within the budget', async () => {
    const before = other.memory.stats().ended.strangers;
    const posts: Socket[] = [];
    for (let i = 0; i < 5; i++) {
      posts.push(await beginPost('Content-Length: 600000', 'x'.repeat(500_000)));
    }
    await Promise.race(posts.map(closed));
    expect(other.memory.stats().ended.strangers).toBeGreaterThan(before);
    expect(held()).toBeLessThanOrEqual(MAX_HELD_BYTES);
  });

  it('in shreds ends with its connection', async () => {
    await closed(await beginPost('Transfer-Encoding: chunked', '1\r\n3\r\n'.repeat(50_000)));
  });
});

it('frames that wait for the other process are counted', async () => {
  const { sid } = await openPolling(owner, owner);
  const socket = rawSocket(wsUrl(other.port, sid));
  await new Promise((resolve) => socket.ws.once('open', resolve));
  let most = 0;
  const hold = other.memory.hold;
  other.memory.hold = (holder, bytes) => {
    const taken = hold(holder, bytes);
    most = Math.max(most, held());
    return taken;
  };
  try {
    // A frame that is no probe: the owner ends it when it has come.
    socket.send('x'.repeat(100_000));
    await socket.closed();
    expect(most).toBeGreaterThanOrEqual(100_000);
  } finally {
    other.memory.hold = hold;
  }
});
