/** AUTH_MODE=insecure believes whoever calls: it is there for this machine, and for nobody else's pages. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { startService } from '../support/service-process.ts';
import { once } from '../support/wait.ts';

let db: TestDatabase;
let alice: TestPerson;
let conversationId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  alice = await createPerson(db.sql, 'Alice');
  conversationId = await createConversation(db.sql, [alice]);
});
afterAll(() => db.drop());

interface Call {
  path: string;
  method?: string;
  host?: string;
  origin?: string;
  body?: object;
}

/** A request as a browser would send it; `fetch` does not let one choose Host and Origin. */
function call(port: number, { path, method = 'GET', host, origin, body }: Call) {
  const headers = {
    host: host ?? `localhost:${port}`,
    ...(origin === undefined ? {} : { origin }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise<{ status: number; allowed: string | undefined; text: string }>(
    (resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers }, async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        const allowed = answer.headers['access-control-allow-origin'];
        resolve({ status: answer.statusCode ?? 0, allowed, text });
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    },
  );
}

const handshake = '/socket.io/?EIO=4&transport=polling';
const send = (): Call => ({
  path: `/messages/${conversationId}`,
  method: 'POST',
  body: { sender_id: alice.id, content: 'Hi' },
});

describe('on this machine alone', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp(db.url, { HOST: 'localhost' });
  });
  afterAll(() => app.stop());

  it('listens on both addresses of localhost and on no other', async () => {
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      expect((await fetch(`http://${host}:${app.port}/health`)).status).toBe(200);
    }
    await expect(fetch(`http://127.0.0.2:${app.port}/health`)).rejects.toThrow();
  });

  it.each([
    'http://localhost:5173',
    'https://127.0.0.1',
    'http://[::1]:3000',
    'http://chat.localhost',
  ])('pages of %s may call, read and connect', async (origin) => {
    expect(await call(app.port, { ...send(), origin })).toMatchObject({
      status: 201,
      allowed: origin,
    });
    expect(await call(app.port, { path: handshake, origin })).toMatchObject({ status: 200 });
    const client = app.connect(alice.id, { transports: ['websocket'], extraHeaders: { origin } });
    await once(client, 'connect', 10_000);
  });

  it.each([
    'http://evil.example',
    'https://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'http://10.0.0.7:3006',
    'null',
    'file://',
  ])('pages of %s may neither change anything nor connect, nor read', async (origin) => {
    const refused = await call(app.port, { ...send(), origin });
    expect(refused).toMatchObject({ status: 403, allowed: undefined });
    expect(JSON.parse(refused.text).error.code).toBe('foreign_page');
    // What a form can send needs no preflight.
    const form = { path: `/messages/${conversationId}/mark-read`, method: 'POST', origin };
    expect((await call(app.port, form)).status).toBe(403);
    expect((await call(app.port, { path: handshake, origin })).status).toBe(403);
    const read = await call(app.port, { path: `/messages/${conversationId}`, origin });
    expect(read.allowed).toBeUndefined();
    const client = app.connect(alice.id, {
      transports: ['websocket'],
      extraHeaders: { origin },
      reconnection: false,
    });
    await once(client, 'connect_error', 10_000);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '10.0.0.7',
    '127.0.0.1.nip.io',
    '0.0.0.0',
    '',
  ])(
    'a page that had %j resolve to here gets nothing, of the same origin though it is',
    async (name) => {
      const host = `${name}:${app.port}`;
      for (const origin of [undefined, `http://${host}`]) {
        const from = { host, ...(origin === undefined ? {} : { origin }) };
        for (const path of [
          `/messages/${conversationId}`,
          '/',
          '/metrics',
          '/nothing',
          handshake,
        ]) {
          expect([path, (await call(app.port, { path, ...from })).status]).toEqual([path, 403]);
        }
        expect((await call(app.port, { ...send(), ...from })).status).toBe(403);
      }
    },
  );

  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '[::1]', 'chat.localhost'])(
    'is called %s',
    async (name) => {
      for (const path of ['/health', handshake]) {
        expect((await call(app.port, { path, host: `${name}:${app.port}` })).status).toBe(200);
      }
    },
  );
});

it('CORS_ORIGINS names who else may call, and by which name', async () => {
  const app = await startTestApp(db.url, { CORS_ORIGINS: 'https://chat.example' });
  try {
    const origin = 'https://chat.example';
    expect((await call(app.port, { ...send(), origin })).status).toBe(201);
    expect((await call(app.port, { ...send(), host: 'chat.example', origin })).status).toBe(201);
    expect((await call(app.port, { path: handshake, host: 'chat.example' })).status).toBe(200);
    const another = 'http://localhost:5173';
    expect((await call(app.port, { ...send(), origin: another })).status).toBe(403);
  } finally {
    await app.stop();
  }
});

it('open to the network, it is called by any name, and pages of others are refused still', async () => {
  const app = await startTestApp(db.url, { HOST: '0.0.0.0' });
  try {
    const host = `10.0.0.7:${app.port}`;
    const own = { host, origin: `http://${host}` };
    expect((await call(app.port, { ...send(), ...own })).status).toBe(201);
    expect((await call(app.port, { path: handshake, ...own })).status).toBe(200);
    const foreign = { host, origin: 'http://evil.example' };
    expect((await call(app.port, { ...send(), ...foreign })).status).toBe(403);
    expect((await call(app.port, { path: handshake, ...foreign })).status).toBe(403);
  } finally {
    await app.stop();
  }
});

it('with tokens, nobody’s pages are guarded against: there is nothing they could send along', async () => {
  const app = await startTestApp(db.url, { JWT_SECRET: 'a secret of at least thirty-two bytes' });
  try {
    const from = { host: 'chat.example', origin: 'http://evil.example' };
    expect((await call(app.port, { ...send(), ...from })).status).toBe(401);
  } finally {
    await app.stop();
  }
});

it.each([
  ['', /open {8}to this machine alone/],
  ['0.0.0.0', /OPEN {8}to the network \(HOST=0\.0\.0\.0\)/],
])('HOST=%s: the greeting says who can reach it', async (host, said) => {
  const service = await startService({ DATABASE_URL: db.url, HOST: host });
  try {
    expect(service.output()).toMatch(said);
    const localhost = `http://localhost:${service.port}`;
    expect((await fetch(`${localhost}/health`)).status).toBe(200);
  } finally {
    await service.discard();
  }
});
