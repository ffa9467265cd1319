/** A table that is rewritten under the nodes is another one by its file, and the same by what it holds. */
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { ask, collect, connected, startTestApp } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { createConversation, createPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

const MESSAGES = 200;
const VACUUM_EVERY = 60;

it('VACUUM FULL while people talk on two nodes: nobody is told to resync, nothing is lost', async () => {
  const db = await createTestDatabase();
  const env = {
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    HEAD_CHECK_INTERVAL_MS: '100',
  };
  const [one, other] = await Promise.all([startTestApp(db.url, env), startTestApp(db.url, env)]);
  try {
    const [alice, bob] = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
    const conversation_id = await createConversation(db.sql, [alice, bob]);
    const clients = [one.connect(alice.id), other.connect(bob.id)] as const;
    const heard = clients.map((client) => collect<{ seq: number }>(client, 'new_message'));
    const told = clients.map((client) => collect(client, 'resync'));
    for (const client of clients) {
      await connected(client);
      await ask(client, 'join_conversation', { conversation_id });
    }
    for (let n = 0; n < MESSAGES; n += 1) {
      if (n % VACUUM_EVERY === 1) await db.sql`VACUUM FULL messaging.conversations`;
      const message = { conversation_id, content: `${n}`, client_message_id: randomUUID() };
      // What was on its way on a connection that is dropped has an unknown outcome: sent again.
      await waitFor(
        async () => {
          const answer = await ask(clients[n % 2 === 0 ? 0 : 1], 'send_message', message);
          return answer.success;
        },
        { what: 'the message to be stored' },
      );
    }
    const seqs = Array.from({ length: MESSAGES }, (_, n) => n + 1);
    await waitFor(() => heard.every(({ length }) => length >= MESSAGES), { what: 'all of it' });
    expect(heard.map((list) => list.map(({ seq }) => seq))).toEqual([seqs, seqs]);
    expect(told).toEqual([[], []]);
  } finally {
    await Promise.all([one.stop(), other.stop()]);
    await db.drop();
  }
}, 60_000);
