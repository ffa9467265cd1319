/** What pages of other origins may ask for and read: REST and Socket.IO say the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';

const CORS_ORIGINS = 'https://chat.example, capacitor://localhost, https://*.example.com';
const paths = ['/messages', '/messages/x/participants/y', '/nothing', '/socket.io/'];
const USED =
  'authorization,content-type,x-user-id,x-request-id,traceparent,tracestate,baggage,sentry-trace';

let db: TestDatabase;
let alice: TestPerson;
let listed: TestApp;
let open: TestApp;
beforeAll(async () => {
  db = await createTestDatabase();
  alice = await createPerson(db.sql, 'Alice');
  listed = await startTestApp(db.url, { CORS_ORIGINS, JWT_SECRET: 'x'.repeat(32) });
  open = await startTestApp(db.url, { CORS_ORIGINS: '*' });
});
afterAll(async () => {
  await Promise.all([listed.stop(), open.stop()]);
  await db.drop();
});

async function preflight(
  app: TestApp,
  path: string,
  origin: string,
  asked?: string,
  method = 'PUT',
) {
  const { status, headers } = await fetch(app.url + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      ...(asked === undefined ? {} : { 'access-control-request-headers': asked }),
    },
  });
  const field = (name: string) => headers.get(`access-control-${name}`);
  return {
    status,
    origin: field('allow-origin'),
    credentials: field('allow-credentials'),
    methods: field('allow-methods')?.split(',') ?? [],
    headers: field('allow-headers'),
    exposed: field('expose-headers'),
  };
}

describe.each(paths)('a preflight of %s', (path) => {
  it('from anywhere: every method and header used, without credentials', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await preflight(open, path, 'http://any.example', USED, method);
      expect(answer).toMatchObject({ status: 204, origin: '*', credentials: null, headers: USED });
      expect(answer.methods).toContain(method);
    }
    expect((await preflight(open, path, 'http://any.example')).headers).toBe(USED);
    const own = await preflight(open, path, 'http://any.example', 'x-tenant');
    expect(own.headers).toBe('x-tenant');
    const odd = await preflight(open, path, 'http://any.example', 'a"b\u00e9');
    expect([odd.status, odd.headers]).toEqual([204, USED]);
  });

  it.each(['https://chat.example', 'capacitor://localhost', 'https://a.b.example.com'])(
    'from %s, which is listed: with credentials',
    async (origin) => {
      const answer = await preflight(listed, path, origin, USED);
      expect(answer).toMatchObject({ status: 204, origin, credentials: 'true', headers: USED });
      expect(answer.exposed).toBe('Retry-After, x-request-id');
    },
  );

  it.each(['https://example.com', 'capacitor://other', 'null'])(
    'from %s, which is not: nothing is allowed',
    async (origin) => {
      const answer = await preflight(listed, path, origin, USED);
      expect(answer).toMatchObject({ origin: null, credentials: null, exposed: null });
    },
  );
});

it('answers can be read, with the fields that say when to come again, on both doors', async () => {
  const origin = 'https://chat.example';
  for (const path of ['/messages/x', '/health', '/socket.io/?EIO=4&transport=polling']) {
    const { headers } = await fetch(listed.url + path, { headers: { origin } });
    expect([path, headers.get('access-control-allow-origin')]).toEqual([path, origin]);
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('access-control-expose-headers')).toBe('Retry-After, x-request-id');
    expect(headers.get('vary')).toContain('Origin');
  }
});

it('what is personal is stored nowhere, refusals included', async () => {
  const id = await createConversation(db.sql, [alice]);
  for (const [path, caller] of [
    [`/messages/conversations/${alice.id}`, alice.id],
    [`/messages/${id}`, alice.id],
    ['/messages/unknown', alice.id],
    [`/messages/${id}`, 'nobody'],
  ] as const) {
    const { headers } = await fetch(open.url + path, { headers: { 'x-user-id': caller } });
    expect([path, headers.get('cache-control')]).toEqual([path, 'no-store']);
  }
});
