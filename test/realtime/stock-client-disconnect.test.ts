// Why a connection ended, as the stock client and the server say it, and how the client comes back.

import { describe, expect, it } from 'vitest';
import { freePort } from '../support/ports.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { once, waitFor } from '../support/wait.ts';
import { cleanups, connected, LOST, numbers, serve, TRANSPORTS } from './stock-client-support.ts';

describe.each(TRANSPORTS)('over %s', (_name, options, transport) => {
  describe('the reasons of a disconnect', () => {
    const beat = { pingIntervalMs: 300, pingTimeoutMs: 1_000 };

    it('io client disconnect / client namespace disconnect', async () => {
      const served = await serve();
      const client = await connected(served.url, options, transport);
      const ended = once(client, 'disconnect');
      client.disconnect();
      expect((await ended)[0]).toBe('io client disconnect');
      await waitFor(() => served.gone.length > 0, { what: 'the end' });
      expect(served.gone).toEqual(['client namespace disconnect']);
      await waitFor(() => served.server.stats().sessions === 0, { what: 'the end of the session' });
    });

    it('io server disconnect / server namespace disconnect; the client may connect again', async () => {
      const served = await serve();
      const client = await connected(served.url, options, transport);
      const ended = once(client, 'disconnect');
      served.sockets[0]?.disconnect();
      expect((await ended)[0]).toBe('io server disconnect');
      expect(served.gone).toEqual(['server namespace disconnect']);
      client.connect();
      await once(client, 'connect');
      expect(await client.timeout(10_000).emitWithAck('call', 1)).toBe(1);
    });

    it('transport close on both sides when the client closes its engine', async () => {
      const served = await serve();
      const client = await connected(served.url, { ...options, reconnection: false }, transport);
      const ended = once(client, 'disconnect');
      client.io.engine.close();
      expect((await ended)[0]).toBe('forced close');
      await waitFor(() => served.gone.length > 0, { what: 'the end' });
      expect(served.gone).toEqual(['transport close']);
    });

    it('ping timeout on both sides when the network goes silent', async () => {
      const served = await serve({ limits: beat });
      const proxy = await startTcpProxy({ host: '127.0.0.1', port: served.port });
      cleanups.push(() => proxy.stop());
      const client = await connected(
        `http://127.0.0.1:${proxy.port}`,
        { ...options, reconnection: false },
        transport,
      );
      const ended = once(client, 'disconnect');
      proxy.pause();
      expect((await ended)[0]).toBe('ping timeout');
      await waitFor(() => served.gone.length > 0, { what: 'the end' });
      expect(served.gone).toEqual(['ping timeout']);
    });

    it('a network that is cut: the client comes back as another socket', async () => {
      const served = await serve({ limits: beat });
      const proxy = await startTcpProxy({ host: '127.0.0.1', port: served.port });
      cleanups.push(() => proxy.stop());
      const client = await connected(`http://127.0.0.1:${proxy.port}`, options, transport);
      const first = client.id;
      const ended = once(client, 'disconnect');
      proxy.refuse(true); // A polling client may be between two connections.
      proxy.killAll();
      expect((await ended)[0]).toMatch(LOST[transport]);
      proxy.refuse(false);
      await once(client, 'connect');
      expect(client.id).not.toBe(first);
      await waitFor(() => served.gone.length > 0, { what: 'the end' });
      expect(served.gone[0]).toMatch(/^(transport (close|error)|ping timeout)$/);
    });

    it('parse error at the client, which comes back', async () => {
      const served = await serve();
      const client = await connected(served.url, options, transport);
      const ended = once(client, 'disconnect');
      served.sockets[0]?.sendFrame('42["half');
      expect((await ended)[0]).toBe('parse error');
      await once(client, 'connect');
      expect(await client.timeout(10_000).emitWithAck('call', 1)).toBe(1);
    });

    it('parse error at the server, which closes that connection', async () => {
      const served = await serve();
      const client = await connected(served.url, { ...options, reconnection: false }, transport);
      const ended = once(client, 'disconnect');
      client.io.engine.write('2["half');
      expect((await ended)[0]).toBe('transport close');
      expect(served.gone).toEqual(['parse error']);
      expect(served.errors).toEqual([]);
    });
  });

  describe('coming back', () => {
    it('auth as a function is asked for each connection, with no state to recover', async () => {
      const served = await serve();
      let tokens = 0;
      const client = await connected(
        served.url,
        { ...options, auth: (give) => give({ token: ++tokens }) },
        transport,
      );
      expect(client.recovered).toBeFalsy();
      served.sockets[0]?.emit('something', 1);
      served.sockets[0]?.closeTransport('server shutting down');
      await once(client, 'disconnect');
      await once(client, 'connect');
      expect(client.recovered).toBeFalsy();
      expect(served.handshakes.map(({ auth }) => auth)).toEqual([{ token: 1 }, { token: 2 }]);
    });

    it('to a server started anew, with what was emitted in between', async () => {
      const port = await freePort();
      const first = await serve({ port });
      const client = await connected(first.url, options, transport);
      const ended = once(client, 'disconnect');
      await first.stop();
      expect((await ended)[0]).toMatch(LOST[transport]);
      for (const i of numbers(10)) client.emit('meanwhile', i);
      const second = await serve({ port });
      await once(client, 'connect');
      await waitFor(() => second.events.length >= 10, { what: 'the buffered events' });
      expect(second.events).toEqual(numbers(10).map((i) => ['meanwhile', i]));
    });
  });
});
