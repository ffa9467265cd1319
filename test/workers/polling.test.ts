/** The stock client as it comes: polling first, each request a connection of its own, then an upgrade. */
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';
import { type Message, scrapeUntil, upTo } from './support.ts';

const CONNECTS = 1_000;
const TALKING = 100;
const TIMEOUT_MS = 180_000;

let db: TestDatabase;
let service: ServiceProcess;
let people: TestPerson[];
const sockets: Socket[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  service = await startService({
    WORKERS: '2',
    DATABASE_URL: db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    DRAIN_GRACE_MS: '0',
  });
  people = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await service?.discard();
  await db?.drop();
});

const transportOf = (socket: Socket): string => socket.io.engine?.transport.name ?? '';

it(
  `${CONNECTS} connect at once, all with success, and ${TALKING} of them talk`,
  async () => {
    const conversation_id = await createConversation(db.sql, people);
    const errors: string[] = [];
    const begun = performance.now();
    for (let n = 0; n < CONNECTS; n += 1) {
      const userId = people[n % people.length]?.id ?? '';
      const socket = io(service.url, { forceNew: true, query: { userId } });
      socket.on('connect_error', (error) => errors.push(error.message));
      sockets.push(socket);
    }
    await waitFor(() => sockets.every((socket) => socket.connected), {
      what: 'every connect',
      timeoutMs: TIMEOUT_MS,
    });
    const connectedMs = Math.round(performance.now() - begun);
    await waitFor(() => sockets.every((socket) => transportOf(socket) === 'websocket'), {
      what: 'every upgrade',
      timeoutMs: TIMEOUT_MS,
    });
    const upgradedMs = Math.round(performance.now() - begun);
    expect(errors).toEqual([]);

    const talking = sockets.slice(0, TALKING);
    await Promise.all(talking.map(connected));
    const heard = talking.map((socket) => {
      const list: Message[] = [];
      socket.on('new_message', (message: Message) => list.push(message));
      return list;
    });
    const joins = talking.map((socket) => ask(socket, 'join_conversation', { conversation_id }));
    expect((await Promise.all(joins)).every(({ success }) => success)).toBe(true);
    const sends = talking.map((socket, n) =>
      ask(socket, 'send_message', { conversation_id, content: `${n}` }),
    );
    expect((await Promise.all(sends)).every(({ success }) => success)).toBe(true);
    for (const list of heard) {
      await waitFor(() => list.length >= TALKING, { what: 'every message' });
      expect(list.map(({ seq }) => seq)).toEqual(upTo(TALKING));
    }

    // That it was no luck: half of what belongs to a session reaches the other worker.
    const all = 'messaging_connections{transport="websocket"}';
    const { figure } = await scrapeUntil(service, ({ figure: of }) => of(all) >= CONNECTS);
    const passed = figure('messaging_peer_requests_total{outcome="answered"}');
    const relayed = figure('messaging_peer_relayed_connections');
    expect(passed).toBeGreaterThan(CONNECTS / 10);
    expect(relayed).toBeGreaterThan(CONNECTS / 10);
    expect(figure(all)).toBe(CONNECTS);
    console.log(
      `${CONNECTS} connects: ${connectedMs} ms, upgraded after ${upgradedMs} ms; ` +
        `${passed} requests passed on, ${relayed} connections relayed`,
    );
  },
  TIMEOUT_MS,
);
