/** Two real nodes on one PostgreSQL and one Redis. */
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, collect, connected } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { once, waitFor } from '../support/wait.ts';

type Message = { id: string; seq: number; content: string };

let db: TestDatabase;
let nodes: ServiceProcess[];
let alice: TestPerson;
let bob: TestPerson;
let conversation_id: string;
const clients: Socket[] = [];

beforeAll(async () => {
  // Neither migrates before the other: both start on an empty database at once.
  db = await createTestDatabase({ migrate: false });
  const env = { DATABASE_URL: db.url, REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() };
  nodes = await Promise.all([startService(env), startService(env)]);
  alice = await createPerson(db.sql, 'Alice');
  bob = await createPerson(db.sql, 'Bob');
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.discard()));
  await db.drop();
});
beforeEach(async () => {
  conversation_id = await createConversation(db.sql, [alice, bob]);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function joined(node: number, person: TestPerson): Promise<Socket> {
  const client = io(nodes[node]?.url ?? '', { forceNew: true, query: { userId: person.id } });
  clients.push(client);
  await connected(client);
  const answer = await ask(client, 'join_conversation', { conversation_id, after_seq: 0 });
  expect(answer.success).toBe(true);
  return client;
}

describe('two nodes on one Redis', () => {
  it('deliver to each other', async () => {
    const a = await joined(0, alice);
    const b = await joined(1, bob);
    const heard = once<[Message]>(b, 'new_message', 10_000);
    const answer = await ask(a, 'send_message', { conversation_id, content: 'across' });
    expect((await heard)[0]).toEqual(answer.data);
    const typing = once(a, 'user_typing', 10_000);
    const tab = await joined(0, bob);
    const own = collect(tab, 'user_typing');
    b.emit('typing_start', { conversation_id });
    expect((await typing)[0]).toMatchObject({ user_id: bob.id, user_name: 'Bob' });
    const read = once(a, 'messages_read', 10_000);
    b.emit('mark_read', { conversation_id });
    expect((await read)[0]).toMatchObject({ user_id: bob.id, last_read_seq: 1 });
    // What came later has been heard there, too; of one's own typing nothing.
    await waitFor(async () => (await ask(tab, 'leave_conversation', { conversation_id })).success, {
      what: 'the tab',
    });
    expect(own).toEqual([]);
  });

  it('seq is gapless under parallel senders, and everybody hears one order', async () => {
    const sockets = await Promise.all([
      joined(0, alice),
      joined(1, bob),
      joined(0, bob),
      joined(1, alice),
    ]);
    const heard = sockets.map((socket) => collect<Message>(socket, 'new_message'));
    const perSender = 100;
    const answers = await Promise.all(
      sockets.flatMap((socket, sender) =>
        Array.from({ length: perSender }, (_, n) =>
          ask(socket, 'send_message', { conversation_id, content: `${sender} ${n}` }),
        ),
      ),
    );
    const total = perSender * sockets.length;
    expect(answers.every(({ success }) => success)).toBe(true);
    await waitFor(() => heard.every((list) => list.length >= total), { what: 'all messages' });
    const ids = (heard[0] ?? []).map(({ id }) => id);
    for (const list of heard) {
      expect(list.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      expect(list.map(({ id }) => id)).toEqual(ids);
    }
    // One sender's messages keep the order in which it sent them.
    for (const sender of sockets.keys()) {
      const own = (heard[0] ?? []).filter(({ content }) => content.startsWith(`${sender} `));
      expect(own.map(({ content }) => Number(content.split(' ')[1]))).toEqual(
        Array.from({ length: perSender }, (_, n) => n),
      );
    }
  });

  it('one key sent to both nodes at once is stored once', async () => {
    const sockets = await Promise.all([joined(0, alice), joined(1, alice)]);
    for (let round = 0; round < 20; round += 1) {
      const message = { conversation_id, content: `${round}`, client_message_id: `key ${round}` };
      const answers = await Promise.all(
        sockets.map((socket) => ask(socket, 'send_message', message)),
      );
      expect(new Set(answers.map(({ data }) => data.id)).size).toBe(1);
      expect(answers.filter(({ data }) => data.duplicate).length).toBe(1);
    }
    const [row] = await db.sql`
      SELECT count(*)::int AS stored, max(seq)::int AS last FROM messaging.messages
      WHERE conversation_id = ${conversation_id}`;
    expect(row).toEqual({ stored: 20, last: 20 });
  });

  it('a removal on one node ends delivery on the other', async () => {
    const stays = await joined(0, alice);
    const goes = await joined(1, bob);
    const heard = collect<Message>(goes, 'new_message');
    const told = once(goes, 'participant_removed', 10_000);
    const path = `/messages/${conversation_id}/participants/${bob.id}`;
    await fetch((nodes[0]?.url ?? '') + path, { method: 'DELETE' });
    await ask(stays, 'send_message', { conversation_id, content: 'after' });
    await told;
    const answer = await ask(goes, 'mark_read', { conversation_id });
    expect(answer.error.code).toBe('not_a_participant');
    expect(heard).toEqual([]);
  });
});
