// Requests that come to nothing, sent by the thousand ahead of their answers.

import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { openSocketIo, pollUrl, request, startServer } from './support.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startServer({ limits: { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 } });
});
afterAll(() => server.close());

const kinds = {
  'of no transport': 'GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n',
  'for a session that nobody has':
    'GET /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1\r\nHost: x\r\n\r\n',
  'before a request': 'OPTIONS /socket.io/ HTTP/1.1\r\nHost: x\r\nOrigin: https://x.y\r\n\r\n',
};

describe.each(Object.entries(kinds))('requests %s', (_name, text) => {
  it('are answered for a while, then their connection is closed', async () => {
    const socket = connect(server.port, '127.0.0.1');
    let answers = '';
    socket.on('data', (data) => {
      answers += data.toString('latin1');
    });
    // What is unread when it is closed resets it.
    socket.on('error', () => undefined);
    socket.write(text.repeat(5_000));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answers.split('HTTP/1.1 ').length - 1).toBeLessThan(200);
  });

  it('are answered for ever where each waits for its answer', async () => {
    const socket = connect(server.port, '127.0.0.1');
    for (let i = 0; i < 200; i++) {
      socket.write(text);
      await new Promise((resolve) => socket.once('data', resolve));
    }
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });
});

it('a query may have as many fields as clients send, and no more', async () => {
  const fields = (count: number): string =>
    Array.from({ length: count }, (_, i) => `&k${i}=1`).join('');
  const url = pollUrl(server, undefined, '/socket.io/');
  expect((await request(url + fields(62))).status).toBe(200);
  expect((await request(url + fields(63))).status).toBe(414);
  const witness = await openSocketIo(server);
  witness.ws.terminate();
});
