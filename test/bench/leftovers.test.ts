/** Databases that a killed bench left on the server go with the next run; those of a live one stay. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { dropLeftovers, LIFE } from '../../bench/harness/database.ts';

/** Ids beyond those of processes. */
const [DEAD, ALIVE] = [5_000_000 + process.pid, 15_000_000 + process.pid];
let admin: postgres.Sql;
let other: postgres.Sql;

beforeAll(() => {
  const options = { max: 1, max_lifetime: null, onnotice: () => undefined };
  admin = postgres(inject('postgresUrl'), options);
  other = postgres(inject('postgresUrl'), options);
});

afterAll(async () => {
  await admin.unsafe(`DROP DATABASE IF EXISTS bench_${DEAD}_1`);
  await admin.unsafe(`DROP DATABASE IF EXISTS bench_${ALIVE}_template_0`);
  await Promise.all([admin.end(), other.end()]);
});

it('drops what processes left that no longer hold their lock, and nothing else', async () => {
  await other`SELECT pg_advisory_lock(${LIFE}, ${ALIVE})`;
  await admin.unsafe(`CREATE DATABASE bench_${DEAD}_1`);
  await admin.unsafe(`CREATE DATABASE bench_${ALIVE}_template_0`);
  await dropLeftovers(admin);
  const names = async () => {
    const rows = await admin<{ name: string }[]>`SELECT datname AS name FROM pg_database
      WHERE datname IN (${`bench_${DEAD}_1`}, ${`bench_${ALIVE}_template_0`})`;
    return rows.map(({ name }) => name);
  };
  expect(await names()).toEqual([`bench_${ALIVE}_template_0`]);
  await other.end();
  await dropLeftovers(admin);
  expect(await names()).toEqual([]);
});
