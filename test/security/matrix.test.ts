/** Who may do what: every route and event for every kind of caller, against the written table. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../src/chat/errors.ts';
import { clientEvents } from '../../src/chat/events.ts';
import { hmacSigner, inAMinute, nowSeconds } from '../auth/forge.ts';
import { type Answer, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { once } from '../support/wait.ts';
import { cellsOf, table, words } from './matrix-table.ts';
import {
  type Attempt,
  callRest,
  callSocket,
  restOperations,
  socketOperations,
} from './operations.ts';

const secret = 'a secret of at least thirty-two bytes';
const sign = hmacSigner(secret);
const HOUR_S = 3_600;
const tokenOf = (claims: object, exp = inAMinute() + HOUR_S) =>
  sign({ alg: 'HS256' }, { ...claims, exp });
const serviceToken = tokenOf({ role: 'service' });

type Role = 'member' | 'other' | 'stranger' | 'ex';
/** A column of the table: who calls, whom it names, and whether the conversation exists. */
interface Column {
  as: Role | 'service' | 'nobody';
  names?: Role;
  void?: true;
  expired?: true;
}
const jwt: Record<string, Column> = {
  anon: { as: 'nobody', names: 'member' },
  expired: { as: 'member', names: 'member', expired: true },
  member: { as: 'member', names: 'member' },
  unnamed: { as: 'member' },
  stranger: { as: 'stranger', names: 'stranger' },
  ex: { as: 'ex', names: 'ex' },
  other: { as: 'member', names: 'other' },
  usurper: { as: 'stranger', names: 'member' },
  void: { as: 'stranger', names: 'stranger', void: true },
  service: { as: 'service', names: 'member' },
  'svc-anon': { as: 'service' },
  'svc-out': { as: 'service', names: 'stranger' },
  'svc-void': { as: 'service', names: 'member', void: true },
};
const insecure: Record<string, Column> = {
  'i-anon': { as: 'nobody', names: 'member' },
  'i-member': { as: 'member', names: 'member' },
  'i-stranger': { as: 'stranger', names: 'stranger' },
  'i-other': { as: 'member', names: 'other' },
};

let db: TestDatabase;
let people: Record<Role | 'newcomer', TestPerson>;
const apps: Record<'jwt' | 'insecure', TestApp | undefined> = {
  jwt: undefined,
  insecure: undefined,
};

beforeAll(async () => {
  db = await createTestDatabase();
  const person = (name: string) => createPerson(db.sql, name);
  people = {
    member: await person('Member'),
    other: await person('Other member'),
    stranger: await person('Stranger'),
    ex: await person('Ex-member'),
    newcomer: await person('Newcomer'),
  };
  apps.jwt = await startTestApp(db.url, { JWT_SECRET: secret });
  apps.insecure = await startTestApp(db.url);
});
afterAll(async () => {
  await apps.jwt?.stop();
  await apps.insecure?.stop();
  await db.drop();
});

function appOf(column: string): TestApp {
  const app = apps[column in jwt ? 'jwt' : 'insecure'];
  if (app === undefined) throw new Error('not started');
  return app;
}

function columnOf(name: string): Column {
  const column = jwt[name] ?? insecure[name];
  if (column === undefined) throw new Error(`there is no column ${name}`);
  return column;
}

/** What the caller of a column shows, on either door. */
function credentialsOf(name: string): { token?: string; userId?: string } {
  const { as, expired } = columnOf(name);
  if (as === 'nobody') return {};
  if (as === 'service') return { token: serviceToken };
  const { id } = people[as];
  if (!(name in jwt)) return { userId: id };
  return { token: tokenOf({ sub: id }, expired === true ? nowSeconds() - 1 : undefined) };
}

/** One socket a column, made again after a disconnect; a refused handshake is every event's verdict. */
const sockets = new Map<string, Promise<Socket | string>>();
async function socketOf(name: string): Promise<Socket | string> {
  const known = await sockets.get(name);
  if (known !== undefined && (typeof known === 'string' || known.connected)) return known;
  const { token, userId } = credentialsOf(name);
  const client = appOf(name).connect('', {
    query: userId === undefined ? {} : { userId },
    ...(token === undefined ? {} : { auth: { token } }),
    transports: ['websocket'],
    reconnection: false,
  });
  const made = new Promise<Socket | string>((resolve) => {
    client.once('connect', () => resolve(client));
    client.once('connect_error', (error: Error & { data?: { code: string } }) =>
      resolve(error.data?.code ?? error.message),
    );
  });
  sockets.set(name, made);
  return made;
}

/** A conversation of two, with a message of somebody who has been removed since. */
async function conversation(): Promise<string> {
  const id = await createConversation(db.sql, [people.member, people.other, people.ex]);
  const { url } = appOf('service');
  const headers = { authorization: `Bearer ${serviceToken}` };
  const sent = await callRest(
    url,
    { method: 'POST', path: `/messages/${id}`, body: { content: 'x', sender_id: people.ex.id } },
    headers,
  );
  const path = `/messages/${id}/participants/${people.ex.id}`;
  const removed = await callRest(url, { method: 'DELETE', path }, headers);
  expect([sent.status, removed.status]).toEqual([201, 200]);
  return id;
}

/** Everything stored about a conversation, and how many there are. */
async function stored(id: string): Promise<string> {
  const rows = await db.sql`
    SELECT (SELECT count(*)::int FROM messaging.conversations) AS conversations,
      (SELECT json_agg(c) FROM messaging.conversations c WHERE c.id = ${id}) AS conversation,
      (SELECT json_agg(p ORDER BY p.id) FROM messaging.conversation_participants p
        WHERE p.conversation_id = ${id}) AS participants,
      (SELECT json_agg(m ORDER BY m.seq) FROM messaging.messages m
        WHERE m.conversation_id = ${id}) AS messages`;
  return JSON.stringify(rows);
}

async function verdict(operation: string, name: string, attempt: Attempt): Promise<string> {
  const rest = restOperations[operation];
  if (rest === undefined) {
    const socket = await socketOf(name);
    if (typeof socket === 'string') return words[socket] ?? socket;
    const answer = await callSocket(socket, operation, attempt);
    return answer.success ? 'ok' : (words[answer.error.code] ?? answer.error.code);
  }
  const { token, userId } = credentialsOf(name);
  const { status, body } = await callRest(appOf(name).url, rest.call(attempt), {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(userId === undefined ? {} : { 'x-user-id': userId }),
  });
  if (status < 300) return 'ok';
  const code = body.error.code as keyof typeof errorCatalogue;
  expect(status).toBe(errorCatalogue[code].status);
  return words[code] ?? code;
}

const cells = cellsOf(table);

describe('the table', () => {
  it('has a row for every route and every event, and a column for every caller', async () => {
    const rows = new Set(cells.map(({ operation }) => operation));
    expect(rows).toEqual(
      new Set([...Object.keys(restOperations), ...Object.keys(socketOperations)]),
    );
    const columns = new Set(cells.map(({ column }) => column));
    expect(columns).toEqual(new Set([...Object.keys(jwt), ...Object.keys(insecure)]));
    const events = new Set(Object.values(socketOperations).map(({ event }) => event));
    expect(events).toEqual(new Set(Object.keys(clientEvents)));
    const response = await fetch(`${appOf('anon').url}/docs/json`);
    const { paths } = (await response.json()) as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const known = Object.values(restOperations).map(({ route }) => route);
    expect(new Set(known.filter((route) => route !== ''))).toEqual(new Set(routes));
  });
});

const asked = cells.filter(({ expected }) => expected !== '-');
describe.each([...new Set(cells.map(({ operation }) => operation))])('%s', (operation) => {
  it.each(asked.filter((cell) => cell.operation === operation))(
    'for $column: $expected',
    async ({ column: name, expected }) => {
      const column = columnOf(name);
      const id = await conversation();
      const attempt: Attempt = {
        conversationId: column.void === true ? randomUUID() : id,
        names: column.names === undefined ? undefined : people[column.names].id,
        newcomer: people.newcomer.id,
        token:
          column.as === 'service'
            ? serviceToken
            : tokenOf({ sub: people[column.names ?? 'member'].id }),
      };
      const before = await stored(id);
      expect(await verdict(operation, name, attempt)).toBe(expected);
      // A refusal has no effect.
      if (expected !== 'ok') expect(await stored(id)).toBe(before);
    },
  );
});

it('POST disconnect ends the named person’s connections, and nobody else’s', async () => {
  const [named, bystander] = [await socketOf('member'), await socketOf('stranger')];
  if (typeof named === 'string' || typeof bystander === 'string') throw new Error('refused');
  const ended = once<[string]>(named, 'disconnect', 10_000);
  const path = `/messages/users/${people.member.id}/disconnect`;
  const headers = { authorization: `Bearer ${serviceToken}` };
  await callRest(appOf('service').url, { method: 'POST', path }, headers);
  expect((await ended)[0]).toBe('io server disconnect');
  const answer: Answer = await bystander.emitWithAck('refresh_token', {
    token: tokenOf({ sub: people.stranger.id }),
  });
  expect(answer.success).toBe(true);
});

describe('hearing', () => {
  it('whoever is outside hears nothing of a conversation, having tried to join it', async () => {
    const id = await conversation();
    const outside = await Promise.all(['stranger', 'ex', 'i-stranger'].map(socketOf));
    const inside = await socketOf('member');
    if (typeof inside === 'string') throw new Error(inside);
    const heard: unknown[] = [];
    const heardInside: string[] = [];
    inside.onAny((event: string) => heardInside.push(event));
    for (const socket of outside) {
      if (typeof socket === 'string') throw new Error(socket);
      socket.onAny((event: string, payload: unknown) => heard.push([event, payload]));
      for (const after_seq of [undefined, 0]) {
        const answer: Answer = await socket.emitWithAck('join_conversation', {
          conversation_id: id,
          after_seq,
        });
        expect(answer.error.code).toBe('not_a_participant');
      }
    }
    const conversation_id = id;
    const ok = async (event: string, payload: object) =>
      expect(await inside.emitWithAck(event, { conversation_id, ...payload })).toMatchObject({
        success: true,
      });
    await ok('join_conversation', {});
    await ok('typing_start', {});
    await ok('send_message', { content: 'between us' });
    await ok('message_delivered', { up_to_seq: 2 });
    await ok('mark_read', {});
    const headers = { authorization: `Bearer ${serviceToken}` };
    const path = `/messages/${id}/participants/${people.newcomer.id}`;
    const { url } = appOf('service');
    for (const method of ['PUT', 'DELETE']) await callRest(url, { method, path }, headers);
    const body = { participant_ids: [people.member.id, people.newcomer.id] };
    await callRest(url, { method: 'POST', path: '/messages', body }, headers);
    // Whatever was on its way to the outside went before these answers.
    for (const socket of outside) {
      if (typeof socket === 'string') continue;
      await socket.emitWithAck('leave_conversation', { conversation_id });
    }
    expect(heard).toEqual([]);
    expect(new Set(heardInside)).toEqual(
      new Set([
        'new_message',
        'messages_delivered',
        'messages_read',
        'participant_added',
        'participant_removed',
        'conversation_created',
      ]),
    );
  });
});
