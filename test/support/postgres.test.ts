import postgres from 'postgres';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type OwnPostgres, startOwnPostgres } from './postgres.ts';
import { listProcesses } from './processes.ts';
import { waitFor } from './wait.ts';

// A cluster is made in it, on a machine with other work to do.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let own: OwnPostgres;
let sql: postgres.Sql;

beforeAll(async () => {
  own = await startOwnPostgres();
  sql = postgres(own.url, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  await sql`CREATE TABLE kept (mode text)`;
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await own.stop();
});

test.each(['immediate', 'fast'] as const)(
  'a %s restart ends the sessions and keeps address and rows',
  async (mode) => {
    await sql`INSERT INTO kept VALUES (${mode})`;
    const { pid, port, url } = own;
    await own.restart(mode);
    expect(own.pid).not.toBe(pid);
    expect([own.port, own.url]).toEqual([port, url]);
    const rows = await waitFor(() => sql`SELECT 1 FROM kept WHERE mode = ${mode}`, {
      what: 'the row after the restart',
    });
    expect(rows).toHaveLength(1);
  },
);

test('frozen it keeps connections and answers nothing; thawed it answers', async () => {
  await sql`SELECT 1`;
  await own.freeze();
  let answered = false;
  const answer = sql`SELECT 1 AS one`.then((rows) => {
    answered = true;
    return [...rows];
  });
  const pids = await own.pids();
  expect(pids.length).toBeGreaterThan(1);
  const states = async () =>
    (await listProcesses()).filter(({ pid }) => pids.includes(pid)).map(({ state }) => state);
  await waitFor(async () => (await states()).every((state) => state === 'T'), {
    what: 'every process of it to be stopped',
  });
  expect(answered).toBe(false);
  await own.thaw();
  expect(await answer).toEqual([{ one: 1 }]);
});

test('pids names the postmaster and this very session', async () => {
  const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  const pids = await own.pids();
  expect(pids[0]).toBe(own.pid);
  expect(pids).toContain(row?.pid);
});

test('stop leaves no process', async () => {
  const other = await startOwnPostgres();
  const pids = await other.pids();
  await other.stop();
  await waitFor(async () => !(await listProcesses()).some(({ pid }) => pids.includes(pid)), {
    what: 'its processes to be gone',
  });
});
