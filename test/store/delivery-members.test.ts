import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CanonicalId } from '../../src/shared/ids.ts';
import type { Database, Sql } from '../../src/store/database.ts';
import { createDeliveryReads } from '../../src/store/delivery-reads.ts';
import { createStoreFixture, nobody, type StoreFixture } from './fixture.ts';

let f: StoreFixture;
let alice: CanonicalId;
let bob: CanonicalId;
let carol: CanonicalId;

beforeAll(async () => {
  f = await createStoreFixture();
  alice = await f.user('Alice');
  bob = await f.user('Bob');
  carol = await f.user('Carol');
});
afterAll(() => f.close());

/** Reads over a database that counts its queries. */
function counting(limits: { maxBatch?: number; maxRangeRows?: number; maxWaiting?: number } = {}) {
  let queries = 0;
  const database: Database = {
    ...f.database,
    query: <T>(work: (sql: Sql) => Promise<T>) => {
      queries += 1;
      return f.database.query(work);
    },
  };
  const reads = createDeliveryReads(database, {
    maxBatch: 1000,
    maxRangeRows: 2000,
    maxInFlight: 1,
    paceMs: 0,
    maxWaiting: 20_000,
    maxWaitMs: 5_000,
    ...limits,
  });
  return { reads, queries: () => queries };
}

describe('members', () => {
  it('are those of the asked who take part, with the version this holds for', async () => {
    const id = await f.conversation([alice, bob]);
    const [head] = await f.store.readHeads([id]);
    const { members, membersVersion } = await f.store.readMembers(id, [alice, carol, nobody]);
    expect(members).toEqual(new Set([alice]));
    expect(membersVersion).toBe(head?.membersVersion);
    expect(await f.store.readMembers(id, [])).toEqual({ members: new Set(), membersVersion });
    expect(await f.store.readMembers(nobody, [alice])).toEqual({
      members: new Set(),
      membersVersion: 0,
    });
  });

  it('of several conversations at once share a query and are not mixed up', async () => {
    const [one, two] = [await f.conversation([alice, bob]), await f.conversation([bob, carol])];
    const { reads, queries } = counting();
    const [first, second, third] = await Promise.all([
      reads.readMembers(one, [alice, bob, carol]),
      reads.readMembers(two, [alice, bob, carol]),
      reads.readMembers(one, [carol]),
    ]);
    expect(first.members).toEqual(new Set([alice, bob]));
    expect(second.members).toEqual(new Set([bob, carol]));
    expect(third.members).toEqual(new Set());
    expect(queries()).toBe(1);
  });

  it('are never newer or older than their version', async () => {
    const id = await f.conversation([alice, bob]);
    const history = new Map<number, boolean>();
    const [head] = await f.store.readHeads([id]);
    history.set(head?.membersVersion ?? -1, true);
    let done = false;
    const toggling = (async () => {
      for (let n = 0; n < 40; n += 1) {
        const present = n % 2 === 1;
        const change = present
          ? await f.store.addParticipant({
              conversationId: id,
              userId: bob,
              addedBy: null,
              maxParticipants: 9,
            })
          : await f.store.removeParticipant({ conversationId: id, userId: bob });
        if ('membersVersion' in change) history.set(change.membersVersion, present);
      }
      done = true;
    })();
    const seen: { version: number; present: boolean }[] = [];
    while (!done) {
      const { members, membersVersion } = await f.store.readMembers(id, [bob]);
      seen.push({ version: membersVersion, present: members.has(bob) });
    }
    await toggling;
    expect(history.size).toBe(41);
    expect(seen.length).toBeGreaterThan(5);
    for (const { version, present } of seen) expect(present).toBe(history.get(version));
  });
});
