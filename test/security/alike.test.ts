/** A user cannot tell a conversation it has no part in from one that does not exist. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connected, startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import {
  type Attempt,
  callRest,
  callSocket,
  restOperations,
  socketOperations,
} from './operations.ts';

/** Enough that a coin would not come up 70 % heads, thrice. */
const PAIRS = 50;

let db: TestDatabase;
let app: TestApp;
let socket: Socket;
let stranger: TestPerson;
let newcomer: TestPerson;
let forbidden: string;

beforeAll(async () => {
  db = await createTestDatabase();
  const members = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
  stranger = await createPerson(db.sql, 'Mallory');
  newcomer = await createPerson(db.sql, 'Carol');
  forbidden = await createConversation(db.sql, members);
  app = await startTestApp(db.url);
  for (let n = 0; n < 100; n += 1) {
    const body = { content: `message ${n}`, sender_id: members[n % 2]?.id };
    await callRest(app.url, { method: 'POST', path: `/messages/${forbidden}`, body }, {});
  }
  socket = app.connect(stranger.id, { transports: ['websocket'] });
  await connected(socket);
});
afterAll(async () => {
  await app.stop();
  await db.drop();
});

const attemptOn = (conversationId: string): Attempt => ({
  conversationId,
  names: stranger.id,
  newcomer: newcomer.id,
  token: 'none',
});

/** What the stranger gets to see of an attempt; the id it named itself is blanked. */
async function seen(operation: string, conversationId: string): Promise<string> {
  const attempt = attemptOn(conversationId);
  const rest = restOperations[operation];
  const answer =
    rest === undefined
      ? await callSocket(socket, operation, attempt)
      : await callRest(app.url, rest.call(attempt), { 'x-user-id': stranger.id });
  return JSON.stringify(answer).replaceAll(conversationId, '…');
}

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Times of one call where the conversation exists and one where it does not, next to each other. */
async function pairsOfTimes(operation: string): Promise<[there: number, absent: number][]> {
  const pairs: [number, number][] = [];
  for (let round = 0; round < PAIRS; round += 1) {
    const onThere = () => timeMs(() => seen(operation, forbidden));
    const onAbsent = () => timeMs(() => seen(operation, randomUUID()));
    if (round % 2 === 0) pairs.push([await onThere(), await onAbsent()]);
    else {
      const absent = await onAbsent();
      pairs.push([await onThere(), absent]);
    }
  }
  return pairs;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const aboutConversations = [
  ...Object.keys(restOperations),
  ...Object.keys(socketOperations),
].filter(
  (operation) =>
    ![
      'GET /health',
      'GET /ready',
      'GET /metrics',
      'GET /demo/settings',
      'GET /docs/json',
      'GET list',
      'POST conversation',
      'POST keyed conversation',
      'POST disconnect',
      'refresh_token',
    ].includes(operation),
);

describe.each(aboutConversations)('%s', (operation) => {
  it('answers the same', async () => {
    const answer = await seen(operation, forbidden);
    expect(await seen(operation, randomUUID())).toBe(answer);
    expect(await seen(operation, forbidden)).toBe(answer);
  });

  it('takes the same time, within noise', async () => {
    // What differs truly differs every time; what the machine does beside us does not.
    let found = '';
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const pairs = await pairsOfTimes(operation);
      const slower = pairs.filter(([there, absent]) => there > absent).length / pairs.length;
      const ratio =
        median(pairs.map(([there]) => there)) / median(pairs.map(([, absent]) => absent));
      found = `${Math.round(slower * 100)} % slower where it exists, ${ratio.toFixed(2)} times`;
      if (Math.abs(slower - 0.5) < 0.2 || (ratio < 1.25 && ratio > 0.8)) return;
    }
    expect.fail(found);
  }, 60_000);
});
