/** One Fastify app, opened on uWebSockets.js or on Node's http, with windows into its handlers. */

import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type FastifyInstance, fastify } from 'fastify';
import { BODY_TIMEOUT_MS } from '../../src/bounds/http.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../../src/bounds/shared.ts';
import { createUwsBridge } from '../../src/http/uws-bridge.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget } from '../../src/shared/memory-budget.ts';

export interface Door {
  readonly port: number;
  /** Keys of requests whose client went away, as the hook onRequestAbort was told. */
  readonly aborted: Set<string>;
  /** Keys whose handler answered. */
  readonly answered: Set<string>;
  /** Keys whose response stream was destroyed. */
  readonly destroyed: Set<string>;
  /** Keys whose body failed, with the error's code. */
  readonly failures: Map<string, string>;
  /** Addresses as onResponse saw them, by the request's field x-log. */
  readonly served: Map<string, string>;
  /** Resolves when the handler of this key runs. */
  arrived(key: string): Promise<void>;
  /** Lets the waiting handler of this key answer. */
  release(key: string): void;
  /** Requests Fastify has seen. */
  seen(): number;
  /** Bytes the endless sources have made. */
  produced(): number;
  inFlight(): number;
  close(): Promise<void>;
}

export async function openUwsDoor(port = 0, host = '127.0.0.1'): Promise<Door> {
  const app = createUwsApp();
  const bridge = createUwsBridge({
    app,
    maxBodyBytes: 2_000_000,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    memory: createMemoryBudget(DEFAULT_MAX_HELD_BYTES),
    keepAddresses: true,
    listen: (on, at) => listenExclusive(app, on, at),
  });
  const server = fastify({ serverFactory: bridge.serverFactory, bodyLimit: 2_000_000 });
  try {
    return await openDoor(
      server,
      { host, port },
      () => bridge.inFlight(),
      () => app.close(),
    );
  } catch (error) {
    app.close();
    throw error;
  }
}

export async function openNodeDoor(port = 0, host = '127.0.0.1'): Promise<Door> {
  const server = fastify({ bodyLimit: 2_000_000, forceCloseConnections: 'idle' });
  return openDoor(
    server,
    { host, port },
    () => 0,
    () => undefined,
  );
}

async function openDoor(
  app: FastifyInstance,
  where: { host: string; port: number },
  inFlight: () => number,
  afterClose: () => unknown,
): Promise<Door> {
  const gates = new Map<string, Gate>();
  const gate = (key: string): Gate => {
    const known = gates.get(key) ?? { arrival: promise(), leave: promise() };
    gates.set(key, known);
    return known;
  };
  let seen = 0;
  let produced = 0;
  const windows = {
    aborted: new Set<string>(),
    answered: new Set<string>(),
    destroyed: new Set<string>(),
    failures: new Map<string, string>(),
    served: new Map<string, string>(),
  };

  await app.register(helmet);
  await app.register(cors, { origin: true });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 't', version: '1' } },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_req, body, done) =>
    done(null, body),
  );
  app.addContentTypeParser('application/x-raw', (_req, payload, done) => done(null, payload));
  app.addHook('onRequest', async () => {
    seen += 1;
  });
  app.addHook('onResponse', async (req) => {
    const key = req.headers['x-log'];
    if (typeof key === 'string') windows.served.set(key, req.ip);
  });
  app.addHook('onRequestAbort', async (req) => {
    windows.aborted.add((req.params as { key: string }).key);
  });

  const tiny = { type: 'object', properties: { ok: { type: 'boolean' } } };
  app.get('/tiny', { schema: { response: { 200: tiny } } }, (_req, reply) => {
    reply.send({ ok: true });
  });
  app.get<{ Params: { param: string } }>('/echo/:param', async (req) => ({
    method: req.method,
    url: req.url,
    param: req.params.param,
    query: req.query,
    headers: req.headers,
    httpVersion: req.raw.httpVersion,
    ip: req.ip,
    hostname: req.hostname,
    protocol: req.protocol,
  }));
  app.post('/json', async (req) => req.body);
  app.post('/small', { bodyLimit: 1000 }, async (req) => req.body);
  app.post<{ Params: { key: string } }>(
    '/json-after-wait/:key',
    {
      onRequest: async ({ params }) => {
        gate(params.key).arrival.resolve();
        await gate(params.key).leave.promise;
      },
    },
    async (req) => req.body,
  );
  app.post<{ Body: Buffer }>('/digest', async (req) => ({
    length: req.body.length,
    digest: createHash('sha256').update(req.body).digest('hex'),
  }));
  app.post<{ Body: Readable }>('/iterate', async (req) => {
    const key = String(req.headers['x-key']);
    gate(key).arrival.resolve();
    let length = 0;
    try {
      for await (const chunk of req.body) length += (chunk as Buffer).length;
    } catch (error) {
      windows.failures.set(key, String((error as NodeJS.ErrnoException).code));
      throw error;
    }
    return { length };
  });

  app.get('/closing', async (_req, reply) => {
    reply.header('connection', 'close');
    return { closing: true };
  });
  app.get('/own-framing', (_req, reply) => {
    reply.raw.writeHead(200, { 'Content-Length': '2', Connection: 'keep-alive' });
    reply.raw.end('ok');
    reply.hijack();
  });
  app.get<{ Params: { status: number } }>('/status/:status', async (req, reply) => {
    reply.code(Number(req.params.status));
    return reply.send();
  });
  app.get('/reason', async (_req, reply) => {
    reply.raw.statusMessage = 'My Own Words';
    return reply.code(299).send({});
  });
  app.get('/fields', async (_req, reply) => {
    reply.header('set-cookie', ['a=1', 'b=2']).header('x-latin', 'caf\xe9').header('x-number', 7);
    return {};
  });
  app.get('/split', async (_req, reply) => {
    reply.header('x-value', 'a\r\nX-Injected: 1');
    return {};
  });
  app.get('/raw-twice', (_req, reply) => {
    reply.hijack();
    reply.raw.on('error', () => undefined); // Node reports the write after the end.
    reply.raw.end('once');
    reply.raw.end('twice');
    reply.raw.write('thrice');
  });

  app.get<{ Params: { kind: string; size: string } }>('/stream/:kind/:size', async (req, reply) => {
    const size = Number(req.params.size);
    const body = pattern(size);
    switch (req.params.kind) {
      case 'sized':
        reply.header('content-length', size);
        return reply.type('text/plain').send(pieces(body, 65_536));
      case 'web':
        return reply.type('text/plain').send(Readable.toWeb(pieces(body, 10_000)));
      case 'pieces':
        return reply.type('text/plain').send(pieces(body, 7));
      default:
        return reply.type('text/plain').send(pieces(body, 65_536));
    }
  });
  app.get<{ Params: { size: string } }>('/buffer/:size', async (req) =>
    Buffer.from(pattern(Number(req.params.size))),
  );
  app.get('/pipeline', (_req, reply) => {
    reply.hijack();
    reply.raw.setHeader('x-piped', 'yes');
    pipeline(pieces(pattern(400_000), 30_000), reply.raw, () => undefined);
  });
  app.get<{ Params: { kind: string } }>('/flood/:kind', (req, reply) => {
    reply.hijack();
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const { kind } = req.params;
    reply.raw.writeHead(200, kind === 'sized' ? { 'content-length': 64 * piece.length } : {});
    for (let sent = 0; sent < 64; sent += 1) reply.raw.write(piece);
    reply.raw.end();
    gate(`flood-${kind}`).arrival.resolve();
  });
  app.get('/short', async (_req, reply) => {
    reply.header('content-length', 100);
    return reply.send(pieces('too short', 4));
  });
  app.get('/broken', async (_req, reply) => {
    async function* source() {
      yield Buffer.alloc(1000);
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('source broke');
    }
    return reply.send(Readable.from(source()));
  });
  app.get('/broken-at-once', async (_req, reply) =>
    reply.send(
      new Readable({
        read() {
          this.destroy(new Error('source broke'));
        },
      }),
    ),
  );

  app.get<{ Params: { key: string } }>('/wait/:key', async (req) => {
    const { key } = req.params;
    gate(key).arrival.resolve();
    await gate(key).leave.promise;
    setImmediate(() => windows.answered.add(key));
    return { waited: key };
  });
  const endless = (key: string): Readable => {
    const piece = Buffer.alloc(65_536, 'x');
    return new Readable({
      read() {
        produced += piece.length;
        this.push(piece);
      },
      destroy(_error, done) {
        windows.destroyed.add(key);
        done(null);
      },
    });
  };
  app.get<{ Params: { key: string } }>('/wait-stream/:key', async (req, reply) => {
    const { key } = req.params;
    gate(key).arrival.resolve();
    await gate(key).leave.promise;
    return reply.send(endless(key));
  });
  app.get<{ Params: { key: string } }>('/endless/:key', async (req, reply) => {
    produced = 0;
    gate(req.params.key).arrival.resolve();
    return reply.send(endless(req.params.key));
  });
  app.get<{ Params: { key: string } }>('/endless-sized/:key', async (req, reply) => {
    reply.header('content-length', 1e12);
    return reply.send(endless(req.params.key));
  });

  await app.listen(where);
  return {
    ...windows,
    port: (app.server.address() as AddressInfo).port,
    arrived: (key) => gate(key).arrival.promise,
    release: (key) => gate(key).leave.resolve(),
    seen: () => seen,
    produced: () => produced,
    inFlight,
    close: async () => {
      await app.close();
      afterClose();
    },
  };
}

interface Gate {
  readonly arrival: Deferred;
  readonly leave: Deferred;
}

interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

function promise(): Deferred {
  let resolve: () => void = () => undefined;
  const made = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise: made, resolve };
}

function pattern(size: number): string {
  return 'abcdefghij'.repeat(Math.ceil(size / 10)).slice(0, size);
}

function pieces(text: string, size: number): Readable {
  const bytes = Buffer.from(text);
  let at = 0;
  return new Readable({
    read() {
      this.push(at < bytes.length ? bytes.subarray(at, at + size) : null);
      at += size;
    },
  });
}
