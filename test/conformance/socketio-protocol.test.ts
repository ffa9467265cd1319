// Socket.IO protocol, version 5.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import {
  openPolling,
  openSocketIo,
  openWebSocket,
  type RawSocket,
  startServer,
} from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function transport(): Promise<RawSocket> {
  const socket = await openWebSocket(server, '/socket.io/');
  socket.answerPings();
  return socket;
}

describe('CONNECT', () => {
  it.each([
    ['to the main namespace', '40', '40', '42["auth",{}]'],
    ['to the main namespace by name', '40/,', '40', '42["auth",{}]'],
    ['with a payload', '40{"token":"123"}', '40', '42["auth",{"token":"123"}]'],
    ['to a custom namespace', '40/custom,', '40/custom,', '42/custom,["auth",{}]'],
    ['to a custom namespace without comma', '40/custom', '40/custom,', '42/custom,["auth",{}]'],
    [
      'to a custom namespace with a payload',
      '40/custom,{"token":"abc"}',
      '40/custom,',
      '42/custom,["auth",{"token":"abc"}]',
    ],
  ])('is answered %s', async (_name, connect, head, auth) => {
    const socket = await transport();
    socket.send(connect);
    const reply = String(await socket.next());
    expect(reply.startsWith(`${head}{`)).toBe(true);
    const { sid, ...rest } = JSON.parse(reply.slice(head.length));
    expect(sid).toMatch(/^[\w-]{16}$/);
    expect(rest).toEqual({});
    expect(await socket.next()).toBe(auth);
    socket.ws.close();
  });

  it('gives an id that is not the secret one of the transport', async () => {
    const socket = await openWebSocket(server, '/socket.io/');
    socket.send('40');
    expect(String(await socket.next())).not.toContain(socket.open.sid);
    socket.ws.close();
  });

  it.each(['/random', '/__proto__', '/constructor'])(
    'is refused for the unknown namespace %s',
    async (name) => {
      const socket = await transport();
      socket.send(`40${name},`);
      expect(await socket.next()).toBe(`44${name},{"message":"Invalid namespace"}`);
      socket.send('40');
      expect(await socket.next()).toMatch(/^40\{/); // The connection goes on.
      socket.ws.close();
    },
  );

  it('works for two namespaces of one connection', async () => {
    const socket = await openSocketIo(server);
    socket.send('40/custom,');
    expect(await socket.next()).toMatch(/^40\/custom,\{/);
    expect(await socket.next()).toBe('42/custom,["auth",{}]');
    socket.send('42/custom,["message",1]');
    expect(await socket.next()).toBe('42/custom,["message-back",1]');
    socket.send('42["message",2]');
    expect(await socket.next()).toBe('42["message-back",2]');
    socket.ws.close();
  });

  it('that does not come in time closes the connection', async () => {
    const startedMs = performance.now();
    const socket = await transport();
    expect(await socket.closed()).toBe(1005);
    expect(performance.now() - startedMs).toBeGreaterThan(950);
  });

  it('to an unknown namespace only does not stop that clock', async () => {
    const socket = await transport();
    socket.send('40/random,');
    await socket.next();
    expect(await socket.closed()).toBe(1005);
  });

  it('that came keeps the connection open', async () => {
    const socket = await openSocketIo(server);
    const later = await transport(); // Its own timeout is a clock that runs at least as long.
    await later.closed();
    socket.send('42["message"]');
    expect(await socket.next()).toBe('42["message-back"]');
    socket.ws.close();
  });
});

describe('DISCONNECT', () => {
  it('from the main namespace leaves the connection open', async () => {
    const socket = await openWebSocket(server, '/socket.io/');
    socket.send('40');
    await socket.next();
    await socket.next();
    socket.send('41');
    expect(await socket.next()).toBe('2');
    socket.ws.close();
  });

  it('from one namespace leaves the other', async () => {
    const socket = await openSocketIo(server);
    socket.send('40/custom');
    await socket.next();
    await socket.next();
    socket.send('41/custom,');
    socket.send('42["message","message to main namespace"]');
    expect(await socket.next()).toBe('42["message-back","message to main namespace"]');
    socket.ws.close();
  });

  it('may be followed by a new CONNECT', async () => {
    const socket = await openSocketIo(server);
    socket.send('41');
    socket.send('40{"again":true}');
    expect(await socket.next()).toMatch(/^40\{"sid"/);
    expect(await socket.next()).toBe('42["auth",{"again":true}]');
    socket.ws.close();
  });

  it('is followed by nothing else: an event for that namespace closes', async () => {
    const socket = await openSocketIo(server);
    socket.send('41');
    socket.send('42["message"]');
    expect(await socket.closed()).toBe(1005);
  });
});

describe('EVENT and ACK', () => {
  it.each([
    ['42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
    ['42["message"]', '42["message-back"]'],
    ['42["message",null]', '42["message-back",null]'],
    ['42["message","é€😀"]', '42["message-back","é€😀"]'],
    ['42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
    ['420["message-with-ack"]', '430[]'],
    ['42/,["message",1]', '42["message-back",1]'],
  ])('%s', async (sent, expected) => {
    const socket = await openSocketIo(server);
    socket.send(sent);
    expect(await socket.next()).toBe(expected);
    socket.ws.close();
  });

  it('with binary attachments', async () => {
    const socket = await openSocketIo(server);
    socket.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    socket.send(Uint8Array.of(1, 2, 3));
    socket.send(Uint8Array.of(4, 5, 6));
    expect(await socket.next()).toBe(
      '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    );
    expect(await socket.next()).toEqual(Buffer.of(1, 2, 3));
    expect(await socket.next()).toEqual(Buffer.of(4, 5, 6));
    socket.ws.close();
  });

  it('with binary attachments and an ack', async () => {
    const socket = await openSocketIo(server);
    socket.send(
      '452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    );
    socket.send(Uint8Array.of(1, 2, 3));
    socket.send(Uint8Array.of(4, 5, 6));
    expect(await socket.next()).toBe(
      '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    );
    expect(await socket.next()).toEqual(Buffer.of(1, 2, 3));
    expect(await socket.next()).toEqual(Buffer.of(4, 5, 6));
    socket.ws.close();
  });

  it('with binary attachments over polling', async () => {
    const client = await openPolling(server, '/socket.io/');
    await client.push('40');
    await client.poll();
    await client.push('451-["message",{"_placeholder":true,"num":0}]\x1ebAQIDBA==');
    expect((await client.poll()).text).toBe(
      '451-["message-back",{"_placeholder":true,"num":0}]\x1ebAQIDBA==',
    );
  });

  it('an ACK that nobody asked for is ignored', async () => {
    const socket = await openSocketIo(server);
    socket.send('4312[]');
    socket.send('461-13[{"_placeholder":true,"num":0}]');
    socket.send(Uint8Array.of(1));
    socket.send('42["message"]');
    expect(await socket.next()).toBe('42["message-back"]');
    socket.ws.close();
  });
});

describe('before CONNECT', () => {
  it.each(['42["message"]', '4312[]', '41', '4abc', '44{"message":"x"}', '42/custom,["message"]'])(
    '%s closes the connection',
    async (frame) => {
      const socket = await transport();
      socket.send(frame);
      expect(await socket.closed()).toBe(1005);
    },
  );

  it('binary closes the connection', async () => {
    const socket = await transport();
    socket.send(Uint8Array.of(1));
    expect(await socket.closed()).toBe(1005);
  });
});

describe('after CONNECT, a malformed or unexpected packet closes the connection', () => {
  it.each([
    ['a second CONNECT', '40'],
    ['CONNECT_ERROR', '44{"message":"x"}'],
    ['an unknown type', '47'],
    ['a message without a type', '4'],
    ['an event for another namespace', '42/custom,["message"]'],
    ['an event without payload', '42'],
    ['an event with an object', '42{}'],
    ['an event with an empty array', '42[]'],
    ['an event whose name is an object', '42[{}]'],
    ['an event whose name is null', '42[null]'],
    ['the reserved event connect', '42["connect"]'],
    ['the reserved event connect_error', '42["connect_error"]'],
    ['the reserved event disconnect', '42["disconnect"]'],
    ['the reserved event disconnecting', '42["disconnecting"]'],
    ['the reserved event newListener', '42["newListener"]'],
    ['the reserved event removeListener', '42["removeListener"]'],
    ['malformed JSON', '42["message"'],
    ['an ack id beyond the safe integers', '4299999999999999999999["message"]'],
    ['CONNECT with an array', '40/custom,[]'],
    ['CONNECT with a string', '40/custom,"x"'],
    ['a payload on DISCONNECT', '41{}'],
    ['zero attachments', '450-["message"]'],
    ['an attachment count that is not one', '45x-["message"]'],
    ['no attachment count', '45["message"]'],
    ['too many attachments', '4511-["message",{"_placeholder":true,"num":0}]'],
    ['unbounded attachments', '45999999999-["message",{"_placeholder":true,"num":0}]'],
    ['a placeholder out of range', '451-["message",{"_placeholder":true,"num":1}]'],
    ['a placeholder with a negative number', '451-["message",{"_placeholder":true,"num":-1}]'],
    ['a placeholder with a name', '451-["message",{"_placeholder":true,"num":"splice"}]'],
    ['a binary event whose name is a placeholder', '451-[{"_placeholder":true,"num":0}]'],
  ])('%s', async (_name, frame) => {
    const socket = await openSocketIo(server);
    socket.send(frame);
    // A binary event that is refused only when complete.
    if (frame.startsWith('451-')) socket.send(Uint8Array.of(1));
    expect(await socket.closed()).toBe(1005);
  });

  it('text while attachments are pending', async () => {
    const socket = await openSocketIo(server);
    socket.send('451-["message",{"_placeholder":true,"num":0}]');
    socket.send('42["message"]');
    expect(await socket.closed()).toBe(1005);
  });

  it('an attachment too many', async () => {
    const socket = await openSocketIo(server);
    socket.send('451-["message",{"_placeholder":true,"num":0}]');
    socket.send(Uint8Array.of(1));
    expect(await socket.next()).toMatch(/^451-/);
    await socket.next();
    socket.send(Uint8Array.of(2));
    expect(await socket.closed()).toBe(1005);
  });
});

it('more namespaces than maxNamespacesPerSession close the connection', async () => {
  const small = await startServer({ limits: { maxNamespacesPerSession: 1 } });
  const socket = await openSocketIo(small);
  socket.send('40/custom,');
  expect(await socket.closed()).toBe(1005);
  await small.close();
});

it('a fault in one connection does not touch another', async () => {
  const good = await openSocketIo(server);
  for (let i = 0; i < 10; i++) {
    const bad = await openSocketIo(server);
    bad.send('42["message"');
    await bad.closed();
    good.send(`42["message",${i}]`);
    expect(await good.next()).toBe(`42["message-back",${i}]`);
  }
  good.ws.close();
});
