// Binary data, base64 and compressed payloads between a real browser and the realtime layer alone.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConformanceServer } from '../../src/realtime/conformance-server.ts';
import { startServer } from '../conformance/support.ts';
import {
  type ClientOptions,
  connectInPage,
  findChromium,
  launchChromium,
  type OpenedPage,
  openPage,
  type PageServer,
  servePage,
} from '../support/browser.ts';
import { waitFor } from '../support/wait.ts';

/** A busy machine may hold a page up for longer than the server's own 200 ms. */
const PING_TIMEOUT_MS = 10_000;

const executable = await findChromium();

describe.skipIf(executable === undefined)('binary data from a browser', () => {
  let browser: Browser;
  let server: ConformanceServer;
  let origin: PageServer;
  let opened: OpenedPage;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    [browser, origin] = await Promise.all([launchChromium(executable ?? ''), servePage()]);
    server = await startServer({
      corsOrigins: [origin.origin],
      limits: { pingTimeoutMs: PING_TIMEOUT_MS },
    });
    url = `http://127.0.0.1:${server.port}`;
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([server?.close(), origin?.stop()]);
  });
  beforeEach(async () => {
    opened = await openPage(browser, origin.origin);
    page = opened.page;
  });
  afterEach(async () => {
    expect(opened.complaints).toEqual([]);
    await opened.close();
  });

  describe.each<[string, ClientOptions, 'polling' | 'websocket']>([
    ['the default transports', {}, 'websocket'],
    ['polling', { transports: ['polling'] }, 'polling'],
    ['polling with forceBase64', { transports: ['polling'], forceBase64: true }, 'polling'],
    ['websocket', { transports: ['websocket'] }, 'websocket'],
    ['websocket with forceBase64', { transports: ['websocket'], forceBase64: true }, 'websocket'],
  ])('over %s', (_name, options, transport) => {
    it.each(['', '/custom'])('ArrayBuffer, view and Blob come back on "%s"', async (namespace) => {
      const client = await connectInPage(page, url + namespace, options);
      await client.connected(transport);
      const [acked, emitted] = await client.socket.evaluate(async (socket) => {
        const bytes = (value: unknown): number[] | string =>
          value instanceof ArrayBuffer ? [...new Uint8Array(value)] : `not binary: ${value}`;
        const every = Uint8Array.from({ length: 256 }, (_, i) => i);
        const back = new Promise<unknown[]>((resolve) =>
          socket.once('message-back', (...args: unknown[]) => resolve(args)),
        );
        const ack = await socket.timeout(10_000).emitWithAck('message-with-ack', {
          buffer: every.buffer,
          nested: [every.subarray(1, 4), new ArrayBuffer(0)],
          blob: new Blob(['héllo']),
        });
        socket.emit('message', 'text', every.buffer, { view: every.subarray(254) });
        const [text, buffer, { view }] = (await back) as [string, unknown, { view: unknown }];
        return [
          [bytes(ack.buffer), ack.nested.map(bytes), bytes(ack.blob)],
          [text, bytes(buffer), bytes(view)],
        ];
      });
      const every = Array.from({ length: 256 }, (_, i) => i);
      expect(acked).toEqual([every, [[1, 2, 3], []], [...Buffer.from('héllo')]]);
      expect(emitted).toEqual(['text', every, [254, 255]]);
    });
  });

  it('many events of all kinds keep their order through the upgrade', async () => {
    const client = await connectInPage(page, url);
    await client.socket.evaluate((socket) => {
      for (let i = 0; i < 300; i++) {
        socket.emit('message', i, i % 3 === 0 ? new Uint8Array([i % 256]) : 'é'.repeat(i));
      }
    });
    await client.connected('websocket');
    const echoes = async (): Promise<unknown[]> =>
      (await client.happened())
        .filter(([event]) => event === 'message-back')
        .map(([, number]) => number);
    await waitFor(async () => (await echoes()).length >= 300, { what: 'all echoes' });
    expect(await echoes()).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  it('a large polling answer is compressed, and the browser unpacks it', async () => {
    const encodings: (string | undefined)[] = [];
    page.on('response', (response) => void encodings.push(response.headers()['content-encoding']));
    const client = await connectInPage(page, url, { transports: ['polling'] });
    const text = 'Grüße '.repeat(20_000);
    expect(await client.ask('message-with-ack', text)).toBe(text);
    await waitFor(() => encodings.includes('gzip'), { what: 'a compressed answer' });
  });

  it('heartbeats keep the connection while nothing is said', async () => {
    const client = await connectInPage(page, url);
    await client.connected('websocket');
    const beats = await client.socket.evaluateHandle((socket) => {
      const times: number[] = [];
      socket.io.on('ping', () => times.push(performance.now()));
      return times;
    });
    await waitFor(async () => (await beats.jsonValue()).length >= 4, { what: 'four heartbeats' });
    const events = (await client.happened()).map(([event]) => event);
    expect(events).toEqual(['connect', 'auth']);
  });
});
