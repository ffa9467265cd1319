import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ChatError } from '../../src/chat/errors.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { draft, type Node, newRoom, openNode, rowsOf, stored, upTo } from './writer-setting.ts';

let db: TestDatabase;
let proxy: TcpProxy;
const nodes: Node[] = [];

function node(...args: Parameters<typeof openNode>): Node {
  const opened = openNode(...args);
  nodes.push(opened);
  return opened;
}

/** A writer whose connection passes the proxy, and an attempt is given up after 400 ms. */
const behindProxy = (sendDeadlineMs = 15_000) =>
  node(proxy.through(db.url), { sendDeadlineMs, attemptDeadlineMs: 400 }).writer;

beforeAll(async () => {
  db = await createTestDatabase();
  const { hostname, port } = new URL(db.url);
  proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  // Rows with such a content fail as often as their conversation's trouble says. A sequence does
  // not forget when the transaction is rolled back.
  await db.sql.unsafe(`
    CREATE SEQUENCE public.troubles;
    CREATE FUNCTION public.make_trouble() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.content ~ '^trouble [0-9A-Z]{5} [0-9]+$'
         AND nextval('public.troubles') <= split_part(NEW.content, ' ', 3)::int THEN
        IF split_part(NEW.content, ' ', 2) = 'SLEEP' THEN
          PERFORM pg_sleep(30);
        ELSE
          RAISE EXCEPTION 'made trouble' USING ERRCODE = split_part(NEW.content, ' ', 2);
        END IF;
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER make_trouble BEFORE INSERT ON messaging.messages
      FOR EACH ROW EXECUTE FUNCTION public.make_trouble();`);
});

beforeEach(async () => {
  await db.sql`SELECT setval('public.troubles', 1, false)`;
});

afterEach(async () => {
  proxy.refuse(false);
  proxy.resume();
  await Promise.all(nodes.map((each) => each.writer.drain(1000)));
  await Promise.all(nodes.map((each) => each.database.close(1000)));
  nodes.length = 0;
});

afterAll(async () => {
  await proxy.stop();
  await db.drop();
});

const contents = async (room: Parameters<typeof rowsOf>[1]) =>
  (await rowsOf(db.sql, room)).map((row) => row.content);

describe('one bad row', () => {
  test('fails alone; the rest of its batch is stored in order without a gap', async () => {
    const { writer } = node(db.url);
    const [room, second] = await Promise.all([newRoom(db.sql), newRoom(db.sql)]);
    const results = await Promise.allSettled(
      upTo(20).flatMap((index) => [
        writer.append(draft(room, { content: index === 7 ? 'trouble 22021 1000' : `${index}` })),
        writer.append(draft(second, { content: `${index}` })),
      ]),
    );
    const failed = results.filter((result) => result.status === 'rejected');
    expect(failed).toMatchObject([{ reason: { code: 'invalid_request' } }]);
    const rows = await rowsOf(db.sql, room);
    expect(rows.map((row) => row.seq)).toEqual(upTo(19));
    expect(rows.map((row) => row.content)).toEqual(
      upTo(20)
        .filter((index) => index !== 7)
        .map(String),
    );
    expect(await contents(second)).toEqual(upTo(20).map(String));
  });

  test('of a sender who was deleted meanwhile is not_a_participant', async () => {
    const { writer } = node(db.url);
    const room = await newRoom(db.sql);
    const outcomes = await Promise.all([
      writer.append(draft(room)),
      writer.append(draft(room, { content: 'trouble 23503 1000' })),
      writer.append(draft(room)),
    ]);
    expect(outcomes.map((each) => each.outcome)).toEqual(['stored', 'not_a_participant', 'stored']);
  });
});

describe('a transaction PostgreSQL undid', () => {
  test.each(['40001', '40P01', '55P03'])('with %s is tried again', async (code) => {
    const { writer } = node(db.url);
    const room = await newRoom(db.sql);
    const sends = [`trouble ${code} 3`, 'two', 'three'].map((content) =>
      writer.append(draft(room, { content })),
    );
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual([1, 2, 3]);
    expect(writer.stats().retries).toBe(3);
  });

  test('every time is given up, and nothing of it is stored', async () => {
    const { writer } = node(db.url);
    const room = await newRoom(db.sql);
    const results = await Promise.allSettled([
      writer.append(draft(room, { content: 'trouble 40001 1000' })),
      writer.append(draft(room)),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(await contents(room)).toEqual([]);
    expect(stored(await writer.append(draft(room))).seq).toBe(1);
  });
});

describe('the deadline', () => {
  test('answers whoever waits for a lock or behind it, and never stores what was refused', async () => {
    const { writer } = node(db.url, { sendDeadlineMs: 300, maxBatch: 1 });
    const room = await newRoom(db.sql);
    const connection = await db.sql.reserve();
    await connection`BEGIN`;
    await connection`SELECT FROM messaging.conversations WHERE id = ${room.id} FOR UPDATE`;
    const results = await Promise.allSettled([
      writer.append(draft(room, { content: 'waits for the lock' })),
      writer.append(draft(room, { content: 'waits in the queue' })),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(writer.stats()).toMatchObject({ unanswered: 0, unansweredBytes: 0, waiting: 0 });
    await connection`COMMIT`;
    connection.release();
    const patient = node(db.url).writer;
    expect(stored(await patient.append(draft(room, { content: 'later' }))).seq).toBe(1);
    expect(await contents(room)).toEqual(['later']);
  });
});

describe('a connection lost', () => {
  test('while a batch is inside PostgreSQL: it is stored once', async () => {
    const { writer } = node(db.url);
    const room = await newRoom(db.sql);
    const texts = ['1', '2', 'trouble SLEEP 1', '4', '5'];
    const sends = texts.map((content) => writer.append(draft(room, { content })));
    const kill = () => db.sql<{ pid: number }[]>`
      SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'messaging-test'
        AND wait_event = 'PgSleep'`;
    await waitFor(async () => (await kill()).length > 0, { what: 'a busy backend to kill' });
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual(upTo(5));
    expect(await contents(room)).toEqual(texts);
  });

  test('again and again under load: every message is stored once, in order', async () => {
    const { writer } = node(db.url, { maxBatch: 20 });
    const rooms = await Promise.all(upTo(3).map(() => newRoom(db.sql)));
    const sends = rooms.flatMap((room) =>
      upTo(400).map((index) => writer.append(draft(room, { content: `${index}` }))),
    );
    const all = Promise.all(sends);
    let killed = 0;
    for (const kills of upTo(5)) {
      await waitFor(
        async () => {
          const rows = await db.sql`
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'messaging-test'`;
          killed += rows.length;
          return killed >= kills || writer.stats().unanswered === 0;
        },
        { what: 'a backend to kill' },
      );
    }
    expect(killed).toBeGreaterThan(0);
    const outcomes = await all;
    expect(outcomes.every((each) => each.outcome === 'stored')).toBe(true);
    for (const room of rooms) expect(await contents(room)).toEqual(upTo(400).map(String));
  });
});

/** What goes over the wire with the message, and with the answer that it is stored. */
const TEXT = { client: 'the lost one', server: 'stored' };

describe('an unknown outcome', () => {
  test.each([
    ['the reply is lost and the connection closes', 'server', 'close'],
    ['the reply is lost and the connection goes silent', 'server', 'silence'],
    ['the request is lost and the connection closes', 'client', 'close'],
    ['the request is lost and the connection goes silent', 'client', 'silence'],
  ] as const)(
    '%s: the outcome is looked up, every message is stored once',
    async (_, from, effect) => {
      const writer = behindProxy();
      const room = await newRoom(db.sql);
      stored(await writer.append(draft(room, { content: '0' })));
      const swallowed = proxy.swallowNext({ from, text: TEXT[from], effect });
      const texts = upTo(10).map((index) => (index === 5 ? TEXT.client : `${index}`));
      const sends = texts.map((content) => writer.append(draft(room, { content })));
      await swallowed;
      const later = writer.append(draft(room, { content: '11' }));
      const answers = (await Promise.all([...sends, later])).map(stored);
      expect(answers.map((message) => message.seq)).toEqual(upTo(12).slice(1));
      expect(await contents(room)).toEqual(['0', ...texts, '11']);
      const rows = await rowsOf(db.sql, room);
      expect(answers.map((message) => message.id)).toEqual(rows.slice(1).map((row) => row.id));
    },
  );

  test('that cannot be looked up in time is said to be unknown, and sending again is safe', async () => {
    const writer = behindProxy(1200);
    const room = await newRoom(db.sql);
    stored(await writer.append(draft(room)));
    const unsure: string[] = [];
    writer.onUnsure((conversationId) => unsure.push(conversationId));
    const swallowed = proxy.swallowNext({ from: 'server', text: TEXT.server, effect: 'close' });
    const again = { clientMessageId: 'k', content: 'maybe' };
    const answer: Promise<ChatError> = writer.append(draft(room, again)).then(
      () => Promise.reject(new Error('answered although nobody can know')),
      (error: ChatError) => error,
    );
    await swallowed;
    proxy.refuse(true);
    const error = await answer;
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(error.message).toMatch(/not known.*client_message_id/);
    // Nobody announces it: whoever is in the conversation is to look.
    expect(unsure).toEqual([room.id]);
    proxy.refuse(false);
    const patient = behindProxy();
    const repeat = await patient.append(draft(room, again));
    expect(repeat).toMatchObject({ outcome: 'duplicate', message: { seq: 2 } });
    expect(stored(await patient.append(draft(room))).seq).toBe(3);
  });

  test('never sent, is said to be not stored, and it never is', async () => {
    const writer = behindProxy(600);
    const room = await newRoom(db.sql);
    proxy.refuse(true);
    writer.onUnsure(() => {
      throw new Error('nothing can be stored');
    });
    const answer = writer.append(draft(room, { content: 'lost' }));
    await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
    await expect(answer).rejects.toThrow(/could not be stored/);
    proxy.refuse(false);
    await waitFor(() => writer.append(draft(room, { content: 'next' })), {
      what: 'the writer to be connected again',
    });
    expect(await contents(room)).not.toContain('lost');
  });
});

describe('PostgreSQL away', () => {
  test('and back within the deadline: what was sent meanwhile is stored in order', async () => {
    const writer = behindProxy();
    const room = await newRoom(db.sql);
    stored(await writer.append(draft(room)));
    proxy.refuse(true);
    proxy.killAll();
    const sends = upTo(5).map(() => writer.append(draft(room)));
    await waitFor(() => writer.stats().retries >= 3, { what: 'some attempts to fail' });
    proxy.refuse(false);
    expect((await Promise.all(sends)).map((each) => stored(each).seq)).toEqual([2, 3, 4, 5, 6]);
  });

  test('silently: senders are answered at the deadline, and it is served again when back', async () => {
    const writer = behindProxy(1000);
    const room = await newRoom(db.sql);
    stored(await writer.append(draft(room)));
    proxy.pause();
    const startedAt = performance.now();
    const results = await Promise.allSettled(upTo(50).map(() => writer.append(draft(room))));
    expect(performance.now() - startedAt).toBeLessThan(4000);
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
    expect(writer.stats()).toMatchObject({ unanswered: 0, unansweredBytes: 0, waiting: 0 });
    proxy.resume();
    const message = await waitFor(() => writer.append(draft(room)).then(stored), {
      what: 'a message to be stored again',
    });
    expect((await rowsOf(db.sql, room)).map((row) => row.seq)).toEqual(upTo(message.seq));
  });
});
