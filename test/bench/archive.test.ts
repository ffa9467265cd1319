/** The check of ejabberd's archive after every run must notice what it is there for. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { faultsInArchive } from '../../bench/harness/ejabberd-database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase({ migrate: false });
  // What mod_mam's table has that the check reads.
  await database.sql`CREATE TABLE archive (username text, timestamp bigint, xml text, txt text, id serial)`;
});
afterAll(() => database.drop());

interface Kept {
  of: 'ann' | 'ben';
  from: 'ann' | 'ben';
  n: number;
  at?: number;
}

async function keep(...rows: Kept[]): Promise<void> {
  for (const { of, from, n, at = n } of rows) {
    const text = `#${String(n).padStart(10, '0')} x`;
    const xml = `<message to='x' from='${from}@localhost/1'><body>${text}</body></message>`;
    await database.sql`INSERT INTO archive (username, timestamp, xml, txt)
      VALUES (${of}, ${at}, ${xml}, ${text})`;
  }
}

const bothRows = (from: Kept['from'], n: number): Kept[] => [
  { of: 'ann', from, n },
  { of: 'ben', from, n },
];
const faults = (acknowledged: number) => faultsInArchive(database.sql, acknowledged);

describe('the archive', () => {
  beforeEach(async () => {
    await database.sql`TRUNCATE archive`;
    await keep(...bothRows('ann', 0), ...bothRows('ben', 1), ...bothRows('ann', 2));
  });

  it('is right when it holds each acknowledged message once for both', async () => {
    expect(await faults(3)).toEqual([]);
  });
  it('lacks a message that was acknowledged, or holds one that was not', async () => {
    expect(await faults(4)).toEqual([
      '4 were acknowledged, the archives hold 3 sent and 3 received, 3 of them different',
    ]);
    expect(await faults(2)).toHaveLength(1);
  });
  it('lacks the row of one of the two', async () => {
    await keep({ of: 'ann', from: 'ann', n: 3 });
    expect(await faults(4)).toEqual([
      '4 were acknowledged, the archives hold 4 sent and 3 received, 4 of them different',
    ]);
  });
  it('holds a message twice', async () => {
    await keep(...bothRows('ann', 2));
    expect(await faults(4)).toHaveLength(2);
  });
  it('holds two of a sender in the wrong order', async () => {
    await keep({ of: 'ann', from: 'ann', n: 4, at: 5 }, { of: 'ben', from: 'ann', n: 4, at: 5 });
    await keep({ of: 'ann', from: 'ann', n: 3, at: 5 }, { of: 'ben', from: 'ann', n: 3, at: 4 });
    expect(await faults(5)).toEqual(['1 stand in an archive before one that was sent earlier']);
  });
});
