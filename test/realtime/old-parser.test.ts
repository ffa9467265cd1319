/** What the README says of the HTTP parser of uWebSockets.js for Node 20, and that no other has it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUwsApp, type Listening, listenExclusive } from '../../src/realtime/uws.ts';
import { ascii } from '../../src/shared/native-text.ts';
import { open } from '../http/raw-http.ts';

const isOld = process.versions.node.startsWith('20.');

const app = createUwsApp();
let listening: Listening;
beforeAll(async () => {
  app.any('/*', (res) => {
    res.end(ascii('heard'));
  });
  listening = await listenExclusive(app, '127.0.0.1', 0);
});
afterAll(() => app.close());

/** Returns when the server has read whatever other connections sent before. */
async function roundTrip(): Promise<void> {
  const client = await open(listening.port);
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.response();
  client.close();
}

/** The status of the answer to a request in these segments, or null when there is none. */
async function answerTo(...segments: string[]): Promise<number | null> {
  const client = await open(listening.port);
  client.socket.setNoDelay(true);
  for (const segment of segments) {
    client.send(segment);
    await roundTrip();
  }
  const silent = isOld && client.socket.bytesRead === 0;
  const status = silent ? null : (await client.response()).status;
  client.close();
  return status;
}

describe(`the parser for Node ${process.versions.node}`, () => {
  test('a request line in two segments', async () => {
    const status = await answerTo('GET /?token=a', 'b HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(status).toBe(isOld ? 505 : 200);
  });

  test('header fields in two segments', async () => {
    expect(await answerTo('GET / HTTP/1.1\r\nHost: x\r\nX-Fi', 'eld: 1\r\n\r\n')).toBe(200);
  });

  // RFC 9110, 5.6.2: what a field name may hold besides letters and digits.
  test.each([..."-!#$%&'*+.^_`|~"])('"%s" in a header name', async (sign) => {
    const status = await answerTo(`GET / HTTP/1.1\r\nHost: x\r\nx${sign}y: 1\r\n\r\n`);
    expect(status).toBe(isOld && sign !== '-' ? null : 200);
  });
});
