import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WRITER_CONNECTIONS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import type { AppendOutcome } from '../../src/chat/ports.ts';
import { type CanonicalId, newId } from '../../src/shared/ids.ts';
import { appendMessages, WRITER_SETTINGS } from '../../src/store/append-statements.ts';
import { createWriter } from '../../src/store/writer.ts';

import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';
import {
  draft,
  type Node,
  newRoom,
  openNode,
  type Room,
  rowsOf,
  stored,
  upTo,
} from './writer-setting.ts';

let db: TestDatabase;
const nodes: Node[] = [];

function node(
  ...options: Parameters<typeof openNode> extends [string, ...infer Rest] ? Rest : never
) {
  const opened = openNode(db.url, ...options);
  nodes.push(opened);
  return opened.writer;
}

let writer: Node['writer'];
let other: Node['writer'];

beforeAll(async () => {
  db = await createTestDatabase();
  writer = node();
  other = node();
});

afterAll(async () => {
  await Promise.all(nodes.map((each) => each.writer.drain(5000)));
  await Promise.all(nodes.map((each) => each.database.close(5000)));
  await db.drop();
});

test('takes no more connections than is said', () => {
  let lanes = 0;
  const lane = () => {
    lanes += 1;
    return { run: () => Promise.reject(new Error('nothing is sent')) };
  };
  createWriter({
    database: { lane },
    limits: WRITER_LIMITS,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  expect(lanes).toBe(WRITER_CONNECTIONS);
});

/** Holds the conversation's row lock until the returned function is called. */
async function lock(room: Room): Promise<() => Promise<void>> {
  const connection = await db.sql.reserve();
  await connection`BEGIN`;
  await connection`SELECT FROM messaging.conversations WHERE id = ${room.id} FOR UPDATE`;
  return async () => {
    await connection`COMMIT`;
    connection.release();
  };
}

/** Connections of some node, for what asks PostgreSQL beside a writer. */
function database(): Node['database'] {
  const [first] = nodes;
  if (first === undefined) throw new Error('No node is open');
  return first.database;
}

const kinds = (outcomes: AppendOutcome[]) => outcomes.map((outcome) => outcome.outcome);

describe('a stored message', () => {
  test('is answered as it is in the table', async () => {
    const room = await newRoom(db.sql);
    const sent = draft(room, {
      content: 'Ünïcödé "quotes", {braces}, back\\slash\n and 👋',
      messageType: 'image',
      mediaUrl: 'https://example.org/a,b.png',
      clientMessageId: 'key "1"',
    });
    const outcome = await writer.append(sent);
    const message = stored(outcome);
    const [row] = await db.sql`
      SELECT m.*, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
        created_at = date_trunc('milliseconds', created_at) AS is_whole, seq::int AS seq
      FROM messaging.messages m WHERE id = ${sent.id}`;
    expect(row?.is_whole).toBe(true);
    expect(message).toEqual({
      id: sent.id,
      conversation_id: room.id,
      seq: 1,
      sender_id: sent.senderId,
      sender_name: 'User 0',
      content: sent.content,
      message_type: 'image',
      media_url: sent.mediaUrl,
      client_message_id: sent.clientMessageId,
      status: 'sent',
      created_at: row?.at,
    });
    expect(row).toMatchObject({
      seq: 1,
      sender_id: sent.senderId,
      content: sent.content,
      message_type: 'image',
      media_url: sent.mediaUrl,
      client_message_id: sent.clientMessageId,
      status: 'sent',
    });
    expect(Date.parse(message.created_at)).toBeGreaterThan(Date.now() - 60_000);
  });

  test('moves its conversation: last_seq and last_message_at', async () => {
    const room = await newRoom(db.sql);
    await writer.append(draft(room));
    const second = stored(await writer.append(draft(room)));
    const [row] = await db.sql`
      SELECT last_seq::int, to_char(last_message_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
      FROM messaging.conversations WHERE id = ${room.id}`;
    expect(row).toEqual({ last_seq: 2, at: second.created_at });
  });

  test('carries the membership version of its own transaction', async () => {
    const room = await newRoom(db.sql);
    await db.sql`UPDATE messaging.conversations SET members_version = 7 WHERE id = ${room.id}`;
    expect(await writer.append(draft(room))).toMatchObject({ membersVersion: 7 });
  });

  const dateLast = async (room: Room, ahead: string): Promise<string> => {
    const [row] = await db.sql<{ at: CanonicalId }[]>`
      UPDATE messaging.conversations SET last_message_at = date_trunc('milliseconds',
        clock_timestamp() AT TIME ZONE 'UTC' + ${ahead}::interval) WHERE id = ${room.id}
      RETURNING to_char(last_message_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at`;
    return row?.at ?? '';
  };

  test('is not dated before an earlier one when two clocks differ', async () => {
    const room = await newRoom(db.sql);
    const last = await dateLast(room, '4 seconds');
    expect(stored(await writer.append(draft(room))).created_at).toBe(last);
  });

  test.each(['6 seconds', '8 hours', '10 years', '10000 years', 'infinity'])(
    'is dated now when the one before claims to come in %s',
    async (ahead) => {
      const room = await newRoom(db.sql);
      const earlier = stored(await writer.append(draft(room)));
      if (ahead !== 'infinity') await dateLast(room, ahead);
      else {
        await db.sql`
          UPDATE messaging.conversations SET last_message_at = 'infinity' WHERE id = ${room.id}`;
      }
      for (const seq of [2, 3]) {
        const message = stored(await writer.append(draft(room)));
        expect(message.seq).toBe(seq);
        expect(message.created_at >= earlier.created_at).toBe(true);
        expect(Math.abs(Date.parse(message.created_at) - Date.now())).toBeLessThan(3_000);
        const [row] = await db.sql`
          SELECT to_char(last_message_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
            listed_at = messaging.list_time(last_message_at, NULL) AS is_listed
          FROM messaging.conversations c
          JOIN messaging.conversation_participants p ON p.conversation_id = c.id
          WHERE c.id = ${room.id} LIMIT 1`;
        expect(row).toEqual({ at: message.created_at, is_listed: true });
      }
    },
  );
});

describe('the name shown', () => {
  const rename = (room: Room, name: string | null) =>
    db.sql`UPDATE auth.users SET name = ${name} WHERE id = ${room.members[0] ?? ''}`;

  test('is the stored one of that moment, or null', async () => {
    const room = await newRoom(db.sql);
    const shown = async () => stored(await writer.append(draft(room))).sender_name;
    expect(await shown()).toBe('User 0');
    await rename(room, 'Somebody else');
    expect(await shown()).toBe('Somebody else');
    await rename(room, null);
    expect(await shown()).toBeNull();
  });
});

describe('order', () => {
  test('seqs have no gap under parallel senders on two nodes', async () => {
    const rooms = await Promise.all([newRoom(db.sql), newRoom(db.sql), newRoom(db.sql)]);
    const sends = upTo(300).flatMap((index) =>
      rooms.map((room) =>
        (index % 2 ? writer : other).append(draft(room, { content: `${index}` })),
      ),
    );
    const answers = (await Promise.all(sends)).map(stored);
    for (const room of rooms) {
      const rows = await rowsOf(db.sql, room);
      expect(rows.map((row) => row.seq)).toEqual(upTo(300));
      const told = answers.filter((message) => message.conversation_id === room.id);
      expect(new Map(told.map((message) => [message.id, message.seq]))).toEqual(
        new Map(rows.map((row) => [row.id, row.seq])),
      );
    }
  });

  test.each([
    { lanes: 1, maxBatch: 1000 },
    { lanes: 1, maxBatch: 7 },
    { lanes: 3, maxBatch: 10 },
  ])(
    'of a conversation is the order of the calls, in the table and in the answers: %o',
    async (limits) => {
      const mine = node(limits);
      const rooms = await Promise.all(upTo(4).map(() => newRoom(db.sql)));
      const answered = new Map(rooms.map((room) => [room.id, [] as number[]]));
      await Promise.all(
        upTo(100).flatMap((index) =>
          rooms.map(async (room) => {
            const message = stored(await mine.append(draft(room, { content: `${index}` })));
            answered.get(room.id)?.push(message.seq);
          }),
        ),
      );
      for (const room of rooms) {
        const rows = await rowsOf(db.sql, room);
        expect(rows.map((row) => row.content)).toEqual(upTo(100).map(String));
        expect(answered.get(room.id)).toEqual(upTo(100));
      }
    },
  );

  test('what arrives while a batch is in flight makes the next one', async () => {
    const sizes: number[] = [];
    const mine = node({}, { onBatch: (size) => sizes.push(size) });
    const room = await newRoom(db.sql);
    const unlock = await lock(room);
    const first = mine.append(draft(room));
    await waitFor(() => mine.stats().waiting === 0, { what: 'the first batch to be taken' });
    const rest = upTo(50).map(() => mine.append(draft(room)));
    await unlock();
    await Promise.all([first, ...rest]);
    await waitFor(() => sizes.length === 2, { what: 'both batches to be counted' });
    expect(sizes).toEqual([1, 50]);
  });
});

describe('a repeated client_message_id', () => {
  test('within a batch is a duplicate of the first, or a conflict', async () => {
    const room = await newRoom(db.sql);
    const again = { clientMessageId: 'k', content: 'once' };
    const outcomes = await Promise.all([
      writer.append(draft(room, again)),
      writer.append(draft(room, again)),
      writer.append(draft(room, { ...again, content: 'other' })),
      writer.append(draft(room, { ...again, mediaUrl: 'https://example.org/x' })),
      writer.append(draft(room, { ...again, messageType: 'location' })),
    ]);
    expect(kinds(outcomes)).toEqual([
      'stored',
      'duplicate',
      'idempotency_conflict',
      'idempotency_conflict',
      'idempotency_conflict',
    ]);
    expect(outcomes[1]).toMatchObject({ message: outcomes[0] && stored(outcomes[0]) });
    expect(await rowsOf(db.sql, room)).toHaveLength(1);
  });

  test('is answered with the first message and its status of today, for ever', async () => {
    const room = await newRoom(db.sql);
    const first = stored(await writer.append(draft(room, { clientMessageId: 'k' })));
    await db.sql`UPDATE messaging.messages SET status = 'read' WHERE id = ${first.id}`;
    const [before] = await db.sql`SELECT * FROM messaging.conversations WHERE id = ${room.id}`;
    expect(await other.append(draft(room, { clientMessageId: 'k' }))).toEqual({
      outcome: 'duplicate',
      message: { ...first, status: 'read' },
    });
    expect(
      await other.append(draft(room, { clientMessageId: 'k', content: 'not the same' })),
    ).toEqual({ outcome: 'idempotency_conflict' });
    const [after] = await db.sql`SELECT * FROM messaging.conversations WHERE id = ${room.id}`;
    expect(after).toEqual(before);
  });

  test('sent on two nodes at once is stored once', async () => {
    const room = await newRoom(db.sql);
    const sends = upTo(100).flatMap((index) => [
      writer.append(draft(room, { clientMessageId: `k${index}` })),
      other.append(draft(room, { clientMessageId: `k${index}` })),
    ]);
    const outcomes = await Promise.all(sends);
    expect(outcomes.filter((each) => each.outcome === 'stored')).toHaveLength(100);
    expect(outcomes.filter((each) => each.outcome === 'duplicate')).toHaveLength(100);
    expect((await rowsOf(db.sql, room)).map((row) => row.seq)).toEqual(upTo(100));
    for (const index of upTo(100)) {
      const [one, two] = outcomes.slice(index * 2 - 2, index * 2);
      expect(one && 'message' in one && one.message.id).toBe(
        two && 'message' in two && two.message.id,
      );
    }
  });

  test('is another message from another sender or in another conversation', async () => {
    const [room, second] = await Promise.all([newRoom(db.sql), newRoom(db.sql)]);
    const outcomes = await Promise.all([
      writer.append(draft(room, { clientMessageId: 'k' })),
      writer.append(draft(room, { clientMessageId: 'k', senderId: room.members[1] })),
      writer.append(draft(second, { clientMessageId: 'k' })),
    ]);
    expect(kinds(outcomes)).toEqual(['stored', 'stored', 'stored']);
  });
});

describe('refusals', () => {
  test('of strangers and unknown conversations leave the rest of the batch alone', async () => {
    const [room, second] = await Promise.all([newRoom(db.sql), newRoom(db.sql)]);
    const outcomes = await Promise.all([
      writer.append(draft(room)),
      writer.append(draft(room, { senderId: second.members[0] })),
      writer.append(draft(room, { senderId: newId() })),
      writer.append(draft(room, { conversationId: newId() })),
      writer.append(draft(room)),
    ]);
    expect(kinds(outcomes)).toEqual([
      'stored',
      'not_a_participant',
      'not_a_participant',
      'no_conversation',
      'stored',
    ]);
    expect((await rowsOf(db.sql, room)).map((row) => row.seq)).toEqual([1, 2]);
  });

  test('a removal that commits first is seen, for a repeated message too', async () => {
    const room = await newRoom(db.sql);
    await writer.append(draft(room, { clientMessageId: 'k' }));
    const connection = await db.sql.reserve();
    await connection`BEGIN`;
    await connection`SELECT FROM messaging.conversations WHERE id = ${room.id} FOR NO KEY UPDATE`;
    const sends = Promise.all([
      writer.append(draft(room)),
      writer.append(draft(room, { clientMessageId: 'k' })),
      writer.append(draft(room, { senderId: room.members[1] })),
    ]);
    await waitFor(() => writer.stats().waiting === 0, { what: 'the batch to be taken' });
    await connection`
      DELETE FROM messaging.conversation_participants
      WHERE conversation_id = ${room.id} AND participant_id = ${room.members[0] ?? ''}`;
    await connection`UPDATE messaging.conversations SET members_version = 9 WHERE id = ${room.id}`;
    await connection`COMMIT`;
    connection.release();
    const outcomes = await sends;
    expect(kinds(outcomes)).toEqual(['not_a_participant', 'not_a_participant', 'stored']);
    expect(outcomes[2]).toMatchObject({ membersVersion: 9 });
  });

  test('what commits while a message waits for its conversation is seen by it', async () => {
    const room = await newRoom(db.sql, 3);
    const [leaver = newId(), stayer = newId(), joiner = newId()] = room.members;
    await db.sql`
      DELETE FROM messaging.conversation_participants
      WHERE conversation_id = ${room.id} AND participant_id = ${joiner}`;
    const connection = await db.sql.reserve();
    await connection`BEGIN`;
    await connection`SELECT FROM messaging.conversations WHERE id = ${room.id} FOR NO KEY UPDATE`;
    // This writer has never seen any of them.
    const mine = node();
    const sends = Promise.all([
      mine.append(draft(room, { senderId: leaver })),
      mine.append(draft(room, { senderId: stayer, clientMessageId: 'k' })),
      mine.append(draft(room, { senderId: joiner })),
    ]);
    await waitFor(() => mine.stats().heldUp === 1, { what: 'the batch to meet the lock' });
    await connection`
      DELETE FROM messaging.conversation_participants
      WHERE conversation_id = ${room.id} AND participant_id = ${leaver}`;
    await connection`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      VALUES (${room.id}, ${joiner})`;
    await connection`
      INSERT INTO messaging.messages (conversation_id, sender_id, seq, content, client_message_id)
      VALUES (${room.id}, ${stayer}, 1, 'Hello', 'k')`;
    await connection`UPDATE messaging.conversations SET last_seq = 1 WHERE id = ${room.id}`;
    await connection`COMMIT`;
    connection.release();
    // Whoever was not in yet when it was sent has been told so, without a wait for the lock.
    expect(kinds(await sends)).toEqual(['not_a_participant', 'duplicate', 'not_a_participant']);
    expect(await mine.append(draft(room, { senderId: joiner }))).toMatchObject({
      outcome: 'stored',
      message: { seq: 2, sender_id: joiner },
    });
  });

  test('see what was committed meanwhile, whatever isolation the database is set to', async () => {
    const name = new URL(db.url).pathname.slice(1);
    const setting = 'default_transaction_isolation';
    await db.sql.unsafe(`ALTER DATABASE ${name} SET ${setting} = 'repeatable read'`);
    try {
      node();
      const lane = nodes.at(-1)?.database.lane(WRITER_SETTINGS);
      const [row] = (await lane?.run((sql) => sql`SHOW transaction_isolation`, 5_000)) ?? [];
      expect(row).toEqual({ transaction_isolation: 'read committed' });
    } finally {
      await db.sql.unsafe(`ALTER DATABASE ${name} RESET ${setting}`);
    }
  });

  test('a sender removed and taken in again is one again', async () => {
    const room = await newRoom(db.sql);
    const [user = ''] = room.members;
    const join = () => db.sql`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      VALUES (${room.id}, ${user})`;
    const leave = () => db.sql`
      DELETE FROM messaging.conversation_participants
      WHERE conversation_id = ${room.id} AND participant_id = ${user}`;
    const kindOf = async () => (await writer.append(draft(room))).outcome;
    expect(await kindOf()).toBe('stored');
    await leave();
    expect(await kindOf()).toBe('not_a_participant');
    await join();
    expect(await kindOf()).toBe('stored');
    await db.sql`DELETE FROM messaging.messages WHERE conversation_id = ${room.id}`;
    await db.sql`DELETE FROM auth.users WHERE id = ${user}`;
    expect(await kindOf()).toBe('not_a_participant');
  });
});

describe('a draft whose deadline is over', () => {
  const ask = (room: Room, deadlineMs: number) =>
    database().query((sql) =>
      appendMessages(sql, [room.id], [draft(room)], {
        waits: false,
        unsure: false,
        deadlineMsOf: () => deadlineMs,
      }),
    );

  test('by PostgreSQL’s clock is not stored; what was there before is still told', async () => {
    const room = await newRoom(db.sql);
    const [row] = await ask(room, Date.now() - 60_000);
    expect(row).toMatchObject({ outcome: 'late' });
    expect(await rowsOf(db.sql, room)).toEqual([]);
    const [head] = await db.sql`
      SELECT last_seq::int, last_message_at FROM messaging.conversations WHERE id = ${room.id}`;
    expect(head).toEqual({ last_seq: 0, last_message_at: null });
    const [stranger] = await ask({ ...room, members: [newId()] }, Date.now() - 60_000);
    expect(stranger).toMatchObject({ outcome: 'not_a_participant' });
  });
});

describe('limits', () => {
  test('more than maxQueue unanswered messages are refused, the others are stored', async () => {
    const mine = node({ maxQueue: 5 });
    const room = await newRoom(db.sql);
    const unlock = await lock(room);
    const sends = upTo(5).map(() => mine.append(draft(room)));
    await expect(mine.append(draft(room))).rejects.toMatchObject({ code: 'unavailable' });
    await unlock();
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual(upTo(5));
    expect(stored(await mine.append(draft(room))).seq).toBe(6);
  });

  test('more than maxQueueBytes are refused', async () => {
    const mine = node({ maxQueueBytes: 20_000 });
    const room = await newRoom(db.sql);
    const unlock = await lock(room);
    const first = mine.append(draft(room, { content: 'x'.repeat(6000) }));
    await expect(mine.append(draft(room, { content: 'x'.repeat(6000) }))).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 1,
    });
    const small = mine.append(draft(room));
    await unlock();
    await Promise.all([first, small]);
    expect(mine.stats()).toMatchObject({ unanswered: 0, unansweredBytes: 0, waiting: 0 });
  });

  test('a batch holds at most maxBatch messages, and a busy conversation takes turns', async () => {
    const sizes: number[] = [];
    const mine = node({ maxBatch: 10, lanes: 1 }, { onBatch: (size) => sizes.push(size) });
    const [busy, quiet] = await Promise.all([newRoom(db.sql), newRoom(db.sql)]);
    const answers: string[] = [];
    const note = async (room: Room) => {
      answers.push(stored(await mine.append(draft(room))).conversation_id);
    };
    const sends = upTo(30).map(() => note(busy));
    await Promise.all([...sends, note(quiet)]);
    expect(sizes.every((size) => size <= 10)).toBe(true);
    expect(answers.indexOf(quiet.id)).toBe(10);
  });

  test('a batch holds at most maxBatchBytes, but always one message', async () => {
    const sizes: number[] = [];
    const onBatch = (size: number) => sizes.push(size);
    const mine = node({ maxBatchBytes: 30_000, lanes: 1 }, { onBatch });
    const room = await newRoom(db.sql);
    const lengths = [6000, 6000, 6000, 40_000, 1, 1];
    const sends = lengths.map((n) => mine.append(draft(room, { content: 'x'.repeat(n) })));
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual(upTo(6));
    await waitFor(() => sizes.length === 4, { what: 'the last batch to be counted' });
    expect(sizes).toEqual([2, 1, 1, 2]);
  });

  test('drain stores what was accepted and refuses what comes after', async () => {
    const mine = node();
    const room = await newRoom(db.sql);
    const sends = upTo(20).map(() => mine.append(draft(room)));
    const drained = mine.drain(10_000);
    await expect(mine.append(draft(room))).rejects.toMatchObject({ code: 'unavailable' });
    await drained;
    expect(mine.stats().unanswered).toBe(0);
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual(upTo(20));
  });

  test('drain answers what is left when its time is over', async () => {
    const mine = node();
    const room = await newRoom(db.sql);
    const unlock = await lock(room);
    const sends = upTo(3).map(() => mine.append(draft(room)));
    const results = Promise.allSettled(sends);
    await mine.drain(50);
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    await unlock();
  });
});
