import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openDatabase } from './fixture.ts';

let db: TestDatabase;
let database: Database;

beforeAll(async () => {
  db = await createTestDatabase({ migrate: false });
  database = openDatabase(db.url);
  await db.sql`CREATE TABLE counter (n int)`;
  await db.sql`INSERT INTO counter VALUES (0)`;
});
afterAll(async () => {
  await database.close(1_000);
  await db.drop();
});

it('holds what its first statement locked until it commits', async () => {
  const add = () =>
    database.transaction(async (sql) => {
      const [rows] = await Promise.all([
        sql<{ n: number }[]>`SELECT n FROM counter FOR UPDATE`,
        sql`SELECT 1`,
      ]);
      await sql`UPDATE counter SET n = ${(rows[0]?.n ?? 0) + 1}`;
    });
  await Promise.all(Array.from({ length: 20 }, add));
  expect(await db.sql`SELECT n FROM counter`).toEqual([{ n: 20 }]);
});

it('undoes its first statement when a later one fails', async () => {
  const failing = database.transaction((sql) =>
    Promise.all([sql`INSERT INTO counter VALUES (-1)`, sql`SELECT 1 / 0`]),
  );
  await expect(failing).rejects.toMatchObject({ code: '22012' });
  expect(await db.sql`SELECT FROM counter WHERE n = -1`).toHaveLength(0);
});
