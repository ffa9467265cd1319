import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ChatError } from '../../src/chat/errors.ts';
import type { Database, DatabaseDeps } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { openDatabase, upTo } from './writer-setting.ts';

let db: TestDatabase;
let proxy: TcpProxy;
const opened: Database[] = [];

function open(options: Partial<DatabaseDeps> = {}, url = db.url): Database {
  const database = openDatabase(url, options);
  opened.push(database);
  return database;
}

beforeAll(async () => {
  db = await createTestDatabase({ migrate: false });
  const { hostname, port } = new URL(db.url);
  proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  await db.sql`CREATE TABLE things (id int PRIMARY KEY)`;
});

afterEach(async () => {
  proxy.resume();
  proxy.refuse(false);
  await Promise.all(opened.map((database) => database.close(1000)));
  opened.length = 0;
  await db.sql`TRUNCATE things`;
});

afterAll(async () => {
  await proxy.stop();
  await db.drop();
});

/** What the connections of that name are doing, as the server sees it. */
const states = async (applicationName: string) => {
  const rows = await db.sql`
    SELECT state FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = ${applicationName}`;
  return rows.map((row) => row.state);
};

const unavailable = { code: 'unavailable', retryAfterSeconds: 1 };
const things = async () => (await db.sql`SELECT id FROM things ORDER BY id`).map((row) => row.id);

describe('values', () => {
  test('int8 is a number', async () => {
    const [row] = await open().query(
      (sql) => sql`SELECT 9007199254740991::int8 AS a, count(*) AS b`,
    );
    expect(row).toEqual({ a: 9007199254740991, b: 1 });
  });

  test('TIMESTAMP is UTC with milliseconds, whatever the time zone of server and process', async () => {
    const zone = process.env.TZ;
    await db.sql.unsafe(`ALTER DATABASE ${db.sql.options.database} SET TimeZone TO 'Asia/Tokyo'`);
    process.env.TZ = 'America/New_York';
    try {
      const [row] = await open().query(
        (sql) => sql`
          SELECT '2025-01-10 12:00:00.123987'::timestamp AS a, '2025-07-10 12:00:00'::timestamp AS b,
            '2025-01-10 12:00:00.5+00'::timestamptz AS c, ${'2025-01-10T12:00:00.123Z'}::timestamp AS d,
            ${new Date(0)}::timestamp AS e, 'infinity'::timestamp AS f, NULL::timestamp AS g,
            current_setting('TimeZone') AS zone`,
      );
      expect(row).toEqual({
        a: '2025-01-10T12:00:00.123Z',
        b: '2025-07-10T12:00:00.000Z',
        c: '2025-01-10T12:00:00.500Z',
        d: '2025-01-10T12:00:00.123Z',
        e: '1970-01-01T00:00:00.000Z',
        f: 'infinity',
        g: null,
        zone: 'UTC',
      });
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
      await db.sql.unsafe(`ALTER DATABASE ${db.sql.options.database} RESET TimeZone`);
    }
  });

  test('arrays go in and come out as they were', async () => {
    const texts = ['a', '', 'NULL', 'null', null, 'with "quotes"', 'b\\s', '{,}', ' ', '\n', 'ü👋'];
    const ids = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'];
    const numbers = [1, -2, 9007199254740991];
    const [row] = await open().query(
      (sql) => sql`
        SELECT ${texts}::text[] AS texts, ${ids}::uuid[] AS ids, ${numbers}::int8[] AS numbers,
          ${[]}::text[] AS none, ARRAY[true, false, NULL] AS flags,
          ARRAY['2025-01-10 12:00:00'::timestamp] AS times`,
    );
    expect(row).toEqual({
      texts,
      ids,
      numbers,
      none: [],
      flags: [true, false, null],
      times: ['2025-01-10T12:00:00.000Z'],
    });
  });
});

describe('query', () => {
  test('errors about the statement pass through, and the connection is used again', async () => {
    const database = open({ poolMax: 1 });
    await expect(database.query((sql) => sql`SELECT 'x'::uuid`)).rejects.toMatchObject({
      code: '22P02',
    });
    await expect(database.query((sql) => sql`SELECT ${'a\0b'}::text`)).rejects.toMatchObject({
      code: '22021',
    });
    await expect(
      database.query((sql) => sql`INSERT INTO things VALUES (1), (1)`),
    ).rejects.toMatchObject({
      code: '23505',
    });
    await expect(
      database.query(async () => {
        throw new ChatError('not_found', 'mine');
      }),
    ).rejects.toMatchObject({ code: 'not_found' });
    expect(database.stats()).toEqual({
      connections: 1,
      busy: 0,
      waiting: 0,
      lockWaiting: 0,
      lost: 0,
    });
  });

  test('calls share at most poolMax connections', async () => {
    const database = open({ poolMax: 2 });
    const pids = await Promise.all(
      upTo(40).map(() => database.query((sql) => sql`SELECT pg_backend_pid() AS pid`)),
    );
    expect(new Set(pids.map(([row]) => row?.pid)).size).toBe(2);
    expect(database.stats().connections).toBe(2);
  });

  test('statements of one call are pipelined in their order on one connection', async () => {
    const results = await open().query((sql) =>
      Promise.all(upTo(20).map((n) => sql`SELECT ${n}::int AS n, pg_backend_pid() AS pid`)),
    );
    expect(results.map(([row]) => row?.n)).toEqual(upTo(20));
    expect(new Set(results.map(([row]) => row?.pid)).size).toBe(1);
  });

  test('statement_timeout is told as unavailable', async () => {
    const database = open({ statementTimeoutMs: 50 });
    await expect(database.query((sql) => sql`SELECT pg_sleep(30)`)).rejects.toMatchObject(
      unavailable,
    );
    expect(await database.query((sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  });

  test('the deadline answers, and the stuck connection is replaced', async () => {
    const database = open({ poolMax: 1, queryDeadlineMs: 200 });
    await database.query((sql) => sql`SELECT 1`);
    await expect(database.query((sql) => sql`SELECT pg_sleep(30)`)).rejects.toMatchObject({
      ...unavailable,
      reason: 'deadline',
    });
    await waitFor(() => database.query((sql) => sql`SELECT 1`), { what: 'a fresh connection' });
    // On a busy machine a fresh one can miss the short deadline as well.
    const { connections, lost } = database.stats();
    expect({ connections, replaced: lost >= 1 }).toEqual({ connections: 1, replaced: true });
  });

  test('the deadline counts the wait for a connection; more than maxWaiting are refused', async () => {
    const database = open({ poolMax: 1, queryDeadlineMs: 1000, maxWaiting: 3 });
    const holding = database.query((sql) => sql`SELECT pg_sleep(30)`);
    const waiting = upTo(3).map(() => database.query((sql) => sql`SELECT pg_sleep(30)`));
    const outcomes = Promise.allSettled([holding, ...waiting]);
    expect(database.stats()).toMatchObject({ busy: 1, waiting: 3 });
    await expect(database.query((sql) => sql`SELECT 1`)).rejects.toMatchObject({
      ...unavailable,
      reason: 'crowded',
    });
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable });
    }
    expect(database.stats().waiting).toBe(0);
  });
});

describe('a connection lost', () => {
  test('during a query is unavailable, and the next one connects', async () => {
    const database = open({ poolMax: 1 });
    await expect(
      database.query((sql) => sql`SELECT pg_terminate_backend(pg_backend_pid())`),
    ).rejects.toMatchObject({ ...unavailable, reason: 'lost' });
    expect(await database.query((sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  });

  test('while idle is not noticed by anyone', async () => {
    const database = open({ poolMax: 1 }, proxy.through(db.url));
    await database.query((sql) => sql`SELECT 1`);
    proxy.killAll();
    await waitFor(() => database.stats().connections === 0, { what: 'the loss to be seen' });
    expect(await database.query((sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  });

  test('amid a transaction: the rest of it is not run on another connection', async () => {
    const database = open({ poolMax: 1 });
    const attempt = database.query(async (sql) => {
      await sql.unsafe('BEGIN');
      await sql`INSERT INTO things VALUES (1)`;
      await sql`SELECT pg_terminate_backend(pg_backend_pid())`.catch(() => undefined);
      await sql`INSERT INTO things VALUES (2)`;
      await sql.unsafe('COMMIT');
    });
    await expect(attempt).rejects.toMatchObject(unavailable);
    expect(await things()).toEqual([]);
  });

  test('to a server that refuses is answered at once, and served when it is back', async () => {
    const database = open({ queryDeadlineMs: 10_000 }, proxy.through(db.url));
    await database.query((sql) => sql`SELECT 1`);
    proxy.refuse(true);
    proxy.killAll();
    const startedAt = performance.now();
    const outcomes = await Promise.allSettled(
      upTo(20).map(() => database.query((sql) => sql`SELECT 1`)),
    );
    expect(performance.now() - startedAt).toBeLessThan(5000);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: unavailable });
    proxy.refuse(false);
    expect(await database.query((sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  });

  test('to a server gone silent: deadline, bounded connections, and served when it is back', async () => {
    const database = open({ queryDeadlineMs: 300, connectTimeoutMs: 5000 }, proxy.through(db.url));
    await database.query((sql) => sql`SELECT 1`);
    proxy.pause();
    for (const _ of upTo(3)) {
      const outcomes = await Promise.allSettled(
        upTo(20).map(() => database.query((sql) => sql`SELECT 1`)),
      );
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: unavailable });
      expect(database.stats().connections).toBeLessThanOrEqual(2);
    }
    proxy.resume();
    await waitFor(() => database.query((sql) => sql`SELECT 1`), { what: 'service to resume' });
  });
});

describe('transaction', () => {
  test('commits what the work did, and undoes all of it when the work fails', async () => {
    const database = open({ poolMax: 1, applicationName: 'undoing-test' });
    expect(
      await database.transaction(async (sql) => {
        await sql`INSERT INTO things VALUES (1)`;
        return 'done';
      }),
    ).toBe('done');
    const failing = database.transaction(async (sql) => {
      await sql`INSERT INTO things VALUES (2)`;
      throw new ChatError('not_found', 'changed my mind');
    });
    await expect(failing).rejects.toMatchObject({ code: 'not_found' });
    expect(await things()).toEqual([1]);
    expect(await states('undoing-test')).toEqual(['idle']);
  });

  test('is not taken for committed when an error was swallowed', async () => {
    const swallowing = open().transaction(async (sql) => {
      await sql`INSERT INTO things VALUES (1)`;
      await sql`SELECT 1 / 0`.catch(() => undefined);
    });
    await expect(swallowing).rejects.toThrow(/rolled back/);
    expect(await things()).toEqual([]);
  });

  test.each(['40001', '40P01'])('is run again after %s', async (code) => {
    let runs = 0;
    await open().transaction(async (sql) => {
      runs += 1;
      await sql`INSERT INTO things VALUES (${runs})`;
      if (runs < 3)
        await sql.unsafe(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${code}'; END $$`);
    });
    expect(runs).toBe(3);
    expect(await things()).toEqual([3]);
  });

  test('is given up as unavailable when it fails so every time', async () => {
    let runs = 0;
    const failing = open().transaction(async (sql) => {
      runs += 1;
      await sql.unsafe(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`);
    });
    await expect(failing).rejects.toMatchObject(unavailable);
    expect(runs).toBe(8);
  });

  test('is run again when the connection was lost', async () => {
    let runs = 0;
    await open().transaction(async (sql) => {
      runs += 1;
      await sql`INSERT INTO things VALUES (${runs})`;
      if (runs === 1) await sql`SELECT pg_terminate_backend(pg_backend_pid())`;
    });
    expect(await things()).toEqual([2]);
  });
});

describe('a lane', () => {
  test('keeps its connection and its settings, and leaves no transaction open', async () => {
    const lane = open({ applicationName: 'lane-test' }).lane({ enable_seqscan: 'off' });
    const look = () =>
      lane.run(async (sql) => {
        const [row] = await sql`
            SELECT pg_backend_pid() AS pid, current_setting('enable_seqscan') AS scan,
              now() = statement_timestamp() AS fresh`;
        return row;
      }, 5000);
    const first = await look();
    expect(first).toMatchObject({ scan: 'off' });
    const failing = lane.run(async (sql) => {
      await sql.unsafe('BEGIN');
      await sql`SELECT 1 / 0`;
    }, 5000);
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await states('lane-test')).toEqual(['idle']);
    expect(await look()).toEqual(first);
  });

  test('that does not answer by its deadline gets a new connection', async () => {
    const lane = open().lane();
    await lane.run((sql) => sql`SELECT 1`, 5000);
    await expect(lane.run((sql) => sql`SELECT pg_sleep(30)`, 100)).rejects.toMatchObject({
      reason: 'deadline',
    });
    expect(await lane.run((sql) => sql`SELECT 1 AS one`, 5000)).toEqual([{ one: 1 }]);
  });

  test('says whether anything can have been executed', async () => {
    const lane = open({}, proxy.through(db.url)).lane();
    proxy.refuse(true);
    await expect(lane.run((sql) => sql`SELECT 1`, 5000)).rejects.toMatchObject({
      reason: 'refused',
    });
    proxy.refuse(false);
    await expect(
      lane.run((sql) => sql`SELECT pg_terminate_backend(pg_backend_pid())`, 5000),
    ).rejects.toMatchObject({ reason: 'lost' });
  });
});

describe('close', () => {
  test('refuses whoever still waits when its time is over, and opens nothing for them', async () => {
    const database = open({ poolMax: 1, applicationName: 'closing' });
    const results = Promise.allSettled([
      database.query((sql) => sql`SELECT pg_sleep(60)`),
      database.query((sql) => sql`SELECT 1`),
      database.query((sql) => sql`SELECT 1`),
    ]);
    await database.close(50);
    const answered = performance.now();
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: unavailable });
    }
    expect(performance.now() - answered).toBeLessThan(2000);
    expect(database.stats()).toMatchObject({ connections: 0, waiting: 0 });
  });

  test('lets running calls finish, refuses new ones and leaves no connection', async () => {
    const database = open({ applicationName: 'closing-test' });
    await database.lane().run((sql) => sql`SELECT 1`, 5000);
    const running = database.query((sql) => sql`SELECT pg_sleep(0.2)`);
    const closed = database.close(10_000);
    await expect(database.query((sql) => sql`SELECT 1`)).rejects.toMatchObject(unavailable);
    await closed;
    await running;
    const rest = () => db.sql`SELECT FROM pg_stat_activity WHERE application_name = 'closing-test'`;
    await waitFor(async () => (await rest()).length === 0, { what: 'the backends to end' });
    expect(database.stats()).toMatchObject({ connections: 0, busy: 0, waiting: 0 });
  });

  test('ends what does not finish in time', async () => {
    const database = open();
    const running = database.query((sql) => sql`SELECT pg_sleep(30)`);
    const outcome = expect(running).rejects.toMatchObject(unavailable);
    await database.close(50);
    await outcome;
  });
});
