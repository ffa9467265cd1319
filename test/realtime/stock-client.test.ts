// The promises that the stock client makes to its users, kept by this server on every transport:
// acknowledgements, retries, order, limits and namespaces.

import { describe, expect, it } from 'vitest';
import { once, waitFor } from '../support/wait.ts';
import {
  cleanups,
  connect,
  connected,
  LOST,
  numbers,
  serve,
  settled,
  TRANSPORTS,
} from './stock-client-support.ts';

describe.each(TRANSPORTS)('over %s', (_name, options, transport) => {
  describe('acknowledgements and retries', () => {
    it('a thousand concurrent calls are each answered, and handled in order', async () => {
      const served = await serve();
      const client = await connected(served.url, options);
      const answers = await Promise.all(
        numbers(1_000).map((i) => client.timeout(15_000).emitWithAck('call', i)),
      );
      expect(answers).toEqual(numbers(1_000));
      expect(served.events.map(([, i]) => i)).toEqual(numbers(1_000));
    });

    it('both sides may talk at once, in order, text and binary', async () => {
      const served = await serve({
        onConnected(socket) {
          for (const i of numbers(500)) {
            socket.emit('down', i, i % 7 === 0 ? Buffer.alloc(i, i) : 'x'.repeat(i));
          }
        },
      });
      const client = connect(served.url, options);
      const down: unknown[][] = [];
      client.on('down', (...args: unknown[]) => down.push(args));
      for (const i of numbers(500)) {
        client.emit('up', i, i % 7 === 0 ? Buffer.alloc(i, i) : 'x'.repeat(i));
      }
      await waitFor(() => down.length >= 500 && served.events.length >= 500, { what: 'all' });
      const expected = numbers(500).map((i) => [
        i,
        i % 7 === 0 ? Buffer.alloc(i, i) : 'x'.repeat(i),
      ]);
      expect(down).toEqual(expected);
      expect(served.events).toEqual(expected.map((args) => ['up', ...args]));
    });

    it('retries: what is not acknowledged in time is sent again, one after another', async () => {
      let unanswered = 2;
      const served = await serve({
        onEvent: (_socket, _event, args, ack) => {
          if (unanswered-- <= 0) ack?.(...args);
        },
      });
      const client = await connected(served.url, { ...options, retries: 3, ackTimeout: 300 });
      const answers = await Promise.all([
        client.emitWithAck('first', 1),
        client.emitWithAck('second', 2),
      ]);
      expect(answers).toEqual([1, 2]);
      // Slow answers may cause more attempts, never another order or an attempt less.
      const names = served.events.map(([event]) => event);
      expect(names.lastIndexOf('first')).toBeLessThan(names.indexOf('second'));
      expect(names.filter((name) => name === 'first').length).toBeGreaterThanOrEqual(3);
    });

    it('retries: a call cut off by a closed transport is made again after the return', async () => {
      const served = await serve({
        onEvent(socket, _event, args, ack) {
          if (served.sockets.length === 1) socket.closeTransport('server shutting down');
          else ack?.(...args);
        },
      });
      const client = await connected(
        served.url,
        { ...options, retries: 3, ackTimeout: 5_000 },
        transport,
      );
      expect(await client.emitWithAck('call', 'once more')).toBe('once more');
      expect(served.sockets).toHaveLength(2);
    });

    it('an acknowledgement that comes after its time is dropped', async () => {
      const late: (() => void)[] = [];
      const served = await serve({
        onEvent: (_socket, event, args, ack) => {
          if (event === 'slow') late.push(() => ack?.('late'));
          else ack?.(...args);
        },
      });
      const client = await connected(served.url, options);
      await expect(client.timeout(100).emitWithAck('slow')).rejects.toThrow('timed out');
      for (const answer of late) answer();
      expect(await client.timeout(10_000).emitWithAck('quick', 1)).toBe(1);
      expect(served.errors).toEqual([]);
    });
  });

  it('volatile events are dropped while not connected, others wait', async () => {
    const served = await serve();
    const client = connect(served.url, { ...options, autoConnect: false });
    client.volatile.emit('volatile', 'early');
    client.emit('kept', 'early');
    client.connect();
    await once(client, 'connect');
    // A transport that is being changed may drop it too.
    await settled(client, transport);
    await waitFor(() => client.io.engine.transport.writable, { what: 'a writable transport' });
    client.volatile.emit('volatile', 'now');
    await client.timeout(10_000).emitWithAck('end');
    expect(served.events).toEqual([['kept', 'early'], ['volatile', 'now'], ['end']]);
  });

  describe('maxPayload', () => {
    const maxPayloadBytes = 20_000;
    /** `420["m","…"]` as an Engine.IO message of exactly so many bytes. */
    const filling = (bytes: number): string => 'x'.repeat(bytes - '420["m",""]'.length);

    it('a packet of exactly that size passes', async () => {
      const served = await serve({ limits: { maxPayloadBytes } });
      const client = await connected(served.url, options, transport);
      const text = filling(maxPayloadBytes);
      expect(await client.timeout(10_000).emitWithAck('m', text)).toBe(text);
    });

    it('one byte more closes the connection, and only that one', async () => {
      const served = await serve({ limits: { maxPayloadBytes } });
      const other = await connected(served.url, options, transport);
      const client = await connected(served.url, { ...options, reconnection: false }, transport);
      client.timeout(10_000).emit('m', filling(maxPayloadBytes + 1), () => undefined);
      const [reason] = await once(client, 'disconnect');
      expect(reason).toMatch(LOST[transport]);
      expect(await other.timeout(10_000).emitWithAck('m', 1)).toBe(1);
      expect(served.events).toEqual([['m', 1]]);
    });

    it('a burst of many times that size arrives, cut into payloads by the client', async () => {
      const served = await serve({ limits: { maxPayloadBytes } });
      const client = await connected(served.url, options);
      const text = filling(maxPayloadBytes / 2);
      for (const i of numbers(40)) client.emit('m', i, text);
      await waitFor(() => served.events.length >= 40, { what: 'the burst' });
      expect(served.events).toEqual(numbers(40).map((i) => ['m', i, text]));
      expect(client.connected).toBe(true);
    });
  });

  describe('namespaces on one connection', () => {
    it('have sockets, auth and order of their own', async () => {
      const served = await serve();
      const main = await connected(served.url, { ...options, auth: { of: 'main' } }, transport);
      const custom = main.io.socket('/custom', { auth: { of: 'custom' } });
      await once(custom, 'connect');
      expect(served.server.stats().sessions).toBe(1);
      expect(served.handshakes.map(({ auth }) => auth)).toEqual([{ of: 'main' }, { of: 'custom' }]);
      expect(custom.id).not.toBe(main.id);
      const bytes = Buffer.from([1, 2, 3]);
      expect(
        await Promise.all([
          main.timeout(10_000).emitWithAck('a', bytes),
          custom.timeout(10_000).emitWithAck('b', bytes),
          main.timeout(10_000).emitWithAck('c', 'text'),
        ]),
      ).toEqual([bytes, bytes, 'text']);
      expect(served.events.map(([event]) => event)).toEqual(['a', 'b', 'c']);
    });

    it('end one by one, and may be joined again', async () => {
      const served = await serve();
      const main = await connected(served.url, options, transport);
      const custom = main.io.socket('/custom');
      cleanups.push(() => custom.disconnect());
      await once(custom, 'connect');
      const [, remote] = served.sockets;
      const ended = once(custom, 'disconnect');
      remote?.disconnect();
      expect((await ended)[0]).toBe('io server disconnect');
      expect(await main.timeout(10_000).emitWithAck('still', 1)).toBe(1);
      custom.connect();
      await once(custom, 'connect');
      expect(await custom.timeout(10_000).emitWithAck('again', 2)).toBe(2);
      main.disconnect();
      expect(await custom.timeout(10_000).emitWithAck('alone', 3)).toBe(3);
      expect(served.server.stats().sessions).toBe(1);
    });

    it('all end with the transport, and all come back', async () => {
      const served = await serve();
      const main = await connected(served.url, options, transport);
      const custom = main.io.socket('/custom');
      cleanups.push(() => custom.disconnect());
      await once(custom, 'connect');
      const ends = Promise.all([once(main, 'disconnect'), once(custom, 'disconnect')]);
      const returns = ends.then(() =>
        Promise.all([once(main, 'connect'), once(custom, 'connect')]),
      );
      served.sockets[0]?.closeTransport('server shutting down');
      expect((await ends).map(([reason]) => reason)).toEqual([
        'transport close',
        'transport close',
      ]);
      expect(served.gone).toEqual(['server shutting down', 'server shutting down']);
      await returns;
      expect(served.server.stats().sessions).toBe(1);
    });
  });
});
