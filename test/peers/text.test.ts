/** Text of sessions that another node has: passed on and relayed as it is. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { opened, rawSocket, request } from '../conformance/support.ts';
import { uniquePrefix } from '../support/redis.ts';
import { longLatin, longText, SCRIPTS } from '../support/texts.ts';
import { openPolling, type PeerServer, startPeerServer, TOPIC, wsUrl } from './peer-server.ts';

const texts = [...SCRIPTS.map(([, text]) => text), longText(), longLatin()];

let owner: PeerServer;
let other: PeerServer;
beforeAll(async () => {
  const prefix = uniquePrefix();
  owner = await startPeerServer({ prefix });
  other = await startPeerServer({ prefix });
});
afterAll(async () => {
  expect([...owner.errors, ...other.errors]).toEqual([]);
  await Promise.all([owner.stop(), other.stop()]);
});

it('over polling', async () => {
  const { url } = await openPolling(owner, other);
  const poll = async (init?: RequestInit): Promise<string> =>
    (await request(url(other.port), init)).text;
  for (const text of texts) {
    const args = JSON.stringify([text]).slice(1);
    expect(await poll({ method: 'POST', body: `42["message",${args}` })).toBe('ok');
    expect(await poll()).toBe(`42["message-back",${args}`);
    const waiting = poll();
    owner.server.publish(TOPIC, `42["all",${args}`);
    expect(await waiting).toBe(`42["all",${args}`);
  }
});

it('over a WebSocket', async () => {
  const { sid } = await openPolling(owner, other);
  const socket = rawSocket(wsUrl(other.port, sid));
  await opened(socket);
  socket.send('2probe');
  expect(await socket.next()).toBe('3probe');
  socket.send('5');
  for (const text of texts) {
    const args = JSON.stringify([text]).slice(1);
    socket.send(`42["message",${args}`);
    expect(await socket.next()).toBe(`42["message-back",${args}`);
    owner.server.publish(TOPIC, `42["all",${args}`);
    expect(await socket.next()).toBe(`42["all",${args}`);
  }
  socket.ws.close();
});
