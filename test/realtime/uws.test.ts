import { once } from 'node:events';
import Module from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  createUwsApp,
  listenExclusive,
  listenShared,
  type TemplatedApp,
} from '../../src/realtime/uws.ts';
import { freePort } from '../support/ports.ts';

const apps: TemplatedApp[] = [];
function answering(text: string): TemplatedApp {
  const app = createUwsApp();
  app.any('/*', (res) => {
    res.end(Buffer.from(text));
  });
  apps.push(app);
  return app;
}
afterEach(() => {
  for (const app of apps.splice(0)) app.close();
});

describe('listening', () => {
  test.each(['127.0.0.1', 'localhost', '0.0.0.0', '::', ''])(
    'on "%s" takes a free port',
    async (host) => {
      const { port } = await listenExclusive(answering('here'), host, 0);
      // By its name only where it is the name that is tried.
      const name = host === 'localhost' ? host : '127.0.0.1';
      expect(await (await fetch(`http://${name}:${port}/`)).text()).toBe('here');
    },
  );

  test('on a port another app has is EADDRINUSE, and that app keeps it', async () => {
    const { port } = await listenExclusive(answering('first'), '127.0.0.1', 0);
    await expect(listenExclusive(answering('second'), '127.0.0.1', port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `Cannot listen on 127.0.0.1:${port}: the port is in use`,
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('first');
  });

  test('on a port Node has is EADDRINUSE', async () => {
    const node = createServer().listen(0, '127.0.0.1');
    await once(node, 'listening');
    const { port } = node.address() as AddressInfo;
    await expect(listenExclusive(answering('second'), '127.0.0.1', port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    node.close();
  });

  test('on an address of another machine is EADDRNOTAVAIL', async () => {
    await expect(listenExclusive(answering('x'), '192.0.2.1', 0)).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });

  test('shared, two apps take turns on a port, which nobody then gets for itself', async () => {
    const port = await freePort();
    for (const name of ['first', 'second']) {
      expect((await listenShared(answering(name), '127.0.0.1', port)).port).toBe(port);
    }
    const heard = new Set<string>();
    for (let tries = 0; tries < 200 && heard.size < 2; tries += 1) {
      const headers = { connection: 'close' };
      heard.add(await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text());
    }
    expect([...heard].toSorted()).toEqual(['first', 'second']);
    await expect(listenExclusive(answering('third'), '127.0.0.1', port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test('shared, on a port that somebody has for itself, is EADDRINUSE', async () => {
    const { port } = await listenExclusive(answering('first'), '127.0.0.1', 0);
    await expect(listenShared(answering('second'), '127.0.0.1', port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test('stopped takes no new connections and keeps the open ones', async () => {
    const listening = await listenExclusive(answering('still here'), '127.0.0.1', 0);
    const client = connect(listening.port, '127.0.0.1');
    await once(client, 'connect');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(client, 'data');
    listening.stop();
    listening.stop();
    const late = connect(listening.port, '127.0.0.1');
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await once(client, 'data'))[0])).toContain('still here');
    client.destroy();
  });
});

test('a binary that does not load is one sentence with the cause', async () => {
  const loader = Module as unknown as { _load(id: string): unknown };
  const failing = vi.spyOn(loader, '_load').mockImplementation(() => {
    throw new Error("Supported are only some.\n\nError: version `GLIBC_2.38' not found");
  });
  vi.resetModules();
  const fresh = await import('../../src/realtime/uws.ts');
  try {
    expect(() => fresh.createUwsApp()).toThrow(
      /^uWebSockets\.js for Node \S+ on [^\n]+ needs glibc 2\.38, and this system has [^\n]+$/,
    );
  } finally {
    failing.mockRestore();
  }
});
