/** What one person does to conversations is limited by how many hear of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';

/** The least there may be: one conversation of 256 people. */
const LIMIT = 256;
const GROUP = 100;
let db: TestDatabase;
let nodes: TestApp[];
let group: TestPerson[];

beforeAll(async () => {
  db = await createTestDatabase();
  group = [];
  for (let n = 0; n < GROUP; n += 1) group.push(await createPerson(db.sql, `Person ${n}`));
  const prefix = uniquePrefix();
  nodes = await Promise.all(
    [1, 2].map(() =>
      startTestApp(db.url, {
        RATE_LIMIT: 'on',
        RATE_LIMIT_WINDOW_SECONDS: '3600',
        RATE_LIMIT_FAN_OUT: String(LIMIT),
        REDIS_URL: redisUrl(),
        REDIS_PREFIX: prefix,
      }),
    ),
  );
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await db.drop();
});

let caller: TestPerson;
beforeEach(async () => {
  caller = await createPerson(db.sql, 'Caller');
});

/** Asks the nodes by turns. */
let asked = 0;
async function call(method: string, path: string, as: TestPerson | null, body?: object) {
  const node = nodes[asked++ % nodes.length];
  const response = await fetch(`${node?.url}${path}`, {
    method,
    headers: {
      ...(as === null ? {} : { 'x-user-id': as.id }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { error?: { code: string; retry_after?: number } };
  return { status: response.status, headers: response.headers, error: answer.error };
}
const create = (as: TestPerson | null, people: readonly TestPerson[]) =>
  call('POST', '/messages', as, { participant_ids: people.map(({ id }) => id) });
const change = (method: 'PUT' | 'DELETE', id: string, as: TestPerson | null, who: TestPerson) =>
  call(method, `/messages/${id}/participants/${who.id}`, as);
const conversations = async () => {
  const [row] = await db.sql`SELECT count(*)::int AS n FROM messaging.conversations`;
  return row?.n;
};

describe('what is told to many', () => {
  it('creating conversations: by the people in them, over all nodes', async () => {
    const people = [caller, ...group.slice(1)];
    const before = await conversations();
    expect((await create(caller, people)).status).toBe(201);
    expect((await create(caller, people)).status).toBe(201);
    const refused = await create(caller, people);
    expect([refused.status, refused.error?.code]).toEqual([429, 'rate_limited']);
    expect(refused.error?.retry_after).toBe(Number(refused.headers.get('retry-after')));
    expect(refused.error?.retry_after).toBeGreaterThan(3_000);
    expect(await conversations()).toBe(before + 2);
    // Others, and services, are not concerned.
    const other = await createPerson(db.sql, 'Other');
    expect((await create(other, [other, ...group.slice(1)])).status).toBe(201);
    for (let n = 0; n < 4; n += 1) expect((await create(null, people)).status).toBe(201);
  });

  it('a conversation of as many people as there may be in one', async () => {
    const people = [caller];
    for (let n = 1; n < 256; n += 1) people.push(await createPerson(db.sql, `${n}`));
    expect((await create(caller, people)).status).toBe(201);
    expect((await create(caller, [caller])).status).toBe(429);
  });

  it('changing who takes part: by those who hear of it', async () => {
    const id = await createConversation(db.sql, [caller, ...group.slice(1)]);
    const [newcomer, another] = [await createPerson(db.sql, 'A'), await createPerson(db.sql, 'B')];
    expect((await change('PUT', id, caller, newcomer)).status).toBe(200);
    expect((await change('PUT', id, caller, another)).status).toBe(200);
    expect((await change('DELETE', id, caller, caller)).error?.code).toBe('rate_limited');
    // A small one would have cost little.
    const small = await createConversation(db.sql, [another]);
    for (const someone of group.slice(0, 10)) {
      expect((await change('PUT', small, another, someone)).status).toBe(200);
    }
    for (const someone of group.slice(0, 10)) {
      expect((await change('DELETE', small, null, someone)).status).toBe(200);
    }
  });

  it('tells one who takes no part nothing of how many do', async () => {
    const id = await createConversation(db.sql, group);
    for (let n = 0; n < 6; n += 1) {
      const conversation = n % 2 === 0 ? id : randomUUID();
      const refused = await change('PUT', conversation, caller, caller);
      expect([refused.status, refused.error?.code]).toEqual([403, 'not_a_participant']);
    }
    // Six units have gone: what is left is enough for 250, and for no more.
    const people = [caller, ...group.slice(1)];
    expect((await create(caller, people)).status).toBe(201);
    expect((await create(caller, people)).status).toBe(201);
    expect((await create(caller, people.slice(0, 50))).status).toBe(201);
    expect((await create(caller, [caller])).status).toBe(429);
  });
});
