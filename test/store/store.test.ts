// The store as the service has it, writer included, on two nodes at once.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { STORE_LIMITS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import type { Store } from '../../src/chat/ports.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import type { Database } from '../../src/store/database.ts';
import { createStore } from '../../src/store/store.ts';
import { createWriter, type Writer } from '../../src/store/writer.ts';
import { createStoreFixture, openDatabase, type StoreFixture } from './fixture.ts';
import { storable } from './writer-setting.ts';

const MESSAGES_EACH = 60;
const TEST_TIMEOUT_MS = 60_000;

interface Node {
  database: Database;
  writer: Writer;
  store: Store;
}

let f: StoreFixture;
let nodes: [Node, Node];

function startNode(): Node {
  const database = openDatabase(f.url);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  // The machine may be busy: here nothing is about deadlines.
  const limits = { ...WRITER_LIMITS, sendDeadlineMs: 30_000, attemptDeadlineMs: 20_000 };
  const writer = createWriter({ database, limits, log });
  return { database, writer, store: createStore({ database, writer, limits: STORE_LIMITS }) };
}

beforeAll(async () => {
  f = await createStoreFixture();
  nodes = [startNode(), startNode()];
});
afterAll(async () => {
  for (const { writer, database } of nodes) {
    await writer.drain(5_000);
    await database.close(1_000);
  }
  await f.close();
});

it(
  'sends, marks and membership changes at the same time end in one true state',
  async () => {
    const [first, second] = nodes;
    const people = [await f.user('Ann'), await f.user('Ben'), await f.user('Cy')];
    const guest = await f.user('Guest');
    const rooms = await Promise.all([f.conversation(people), f.conversation(people)]);
    const versions = await first.store.readHeads(rooms);

    const stored: { conversationId: CanonicalId; seq: number }[] = [];
    const send = async ({ store }: Node, conversationId: CanonicalId, senderId: CanonicalId) => {
      for (let n = 0; n < MESSAGES_EACH; n += 1) {
        const outcome = await store.appendMessage({
          id: newId(),
          conversationId,
          senderId,
          content: storable(`${n}`),
          messageType: 'text',
          mediaUrl: null,
          clientMessageId: null,
        });
        if (outcome.outcome !== 'stored') throw new Error(outcome.outcome);
        stored.push({ conversationId, seq: outcome.message.seq });
      }
    };
    const mark = async ({ store }: Node, conversationId: CanonicalId, userId: CanonicalId) => {
      let read = 0;
      for (let n = 0; n < MESSAGES_EACH / 2; n += 1) {
        const delivered = await store.markDelivered({ conversationId, userId, upToSeq: n * 4 });
        const moved = await store.markRead({ conversationId, userId, upToSeq: n * 3 });
        if (!('seq' in moved) || !('seq' in delivered)) throw new Error(moved.outcome);
        expect(moved.seq).toBeGreaterThanOrEqual(read);
        read = moved.seq;
      }
    };
    const comeAndGo = async ({ store }: Node, conversationId: CanonicalId) => {
      for (let n = 0; n < 10; n += 1) {
        await store.addParticipant({
          conversationId,
          userId: guest,
          addedBy: people[0] ?? null,
          maxParticipants: 4,
        });
        await store.removeParticipant({ conversationId, userId: guest });
      }
    };
    await Promise.all(
      rooms.flatMap((room) => [
        ...people.map((person, n) => send(n % 2 === 0 ? first : second, room, person)),
        ...people.map((person, n) => mark(n % 2 === 0 ? second : first, room, person)),
        comeAndGo(first, room),
      ]),
    );

    const total = people.length * MESSAGES_EACH;
    const heads = await second.store.readHeads(rooms);
    for (const room of rooms) {
      const seqs = stored.filter(({ conversationId }) => conversationId === room);
      expect(seqs.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(
        Array.from({ length: total }, (_, n) => n + 1),
      );
      const before = versions.find(({ conversationId }) => conversationId === room);
      const after = heads.find(({ conversationId }) => conversationId === room);
      expect(after?.lastSeq).toBe(total);
      expect(after?.membersVersion).toBe((before?.membersVersion ?? Number.NaN) + 20);

      const standings = await Promise.all(
        people.map((person) => first.store.readStanding(room, person)),
      );
      const rows = await f.sql<{ sender_id: CanonicalId; status: string }[]>`
        SELECT sender_id, status FROM messaging.messages
        WHERE conversation_id = ${room} ORDER BY seq`;
      const implied = rows.map(({ sender_id: sender }, index) => {
        const others = standings.filter((_, person) => people[person] !== sender);
        if (others.every((standing) => (standing?.lastReadSeq ?? 0) > index)) return 'read';
        return others.every((standing) => (standing?.lastDeliveredSeq ?? 0) > index)
          ? 'delivered'
          : 'sent';
      });
      expect(rows.map(({ status }) => status)).toEqual(implied);
      expect(new Set(implied).size).toBeGreaterThan(1);
    }
  },
  TEST_TIMEOUT_MS,
);
