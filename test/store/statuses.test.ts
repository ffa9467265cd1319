import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CanonicalId } from '../../src/shared/ids.ts';
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

const markRead = (
  conversationId: CanonicalId,
  userId: CanonicalId,
  upToSeq: number | null = null,
) => f.store.markRead({ conversationId, userId, upToSeq });
const markDelivered = (conversationId: CanonicalId, userId: CanonicalId, upToSeq: number) =>
  f.store.markDelivered({ conversationId, userId, upToSeq });

describe('after any operations', () => {
  const people = ['ann', 'ben', 'cy', 'dee'] as const;
  type Person = (typeof people)[number];
  type Operation = {
    kind: 'post' | 'read' | 'delivered' | 'add' | 'remove';
    who: Person;
    to: number;
  };

  const ranks = ['sent', 'delivered', 'read'];

  /** The contract's definition, from scratch: cursors and the statuses they imply, never backward. */
  class Model {
    readonly senders: Person[] = [];
    readonly statuses: string[] = [];
    readonly cursors = new Map<Person, { read: number; delivered: number }>();

    apply({ kind, who, to }: Operation): void {
      const cursor = this.cursors.get(who);
      const upTo = Math.min(to, this.senders.length);
      if (kind === 'add') {
        if (cursor === undefined) {
          const end = this.senders.length;
          this.cursors.set(who, { read: end, delivered: end });
        }
      } else if (cursor === undefined) return;
      else if (kind === 'remove') this.cursors.delete(who);
      else if (kind === 'post') {
        this.senders.push(who);
        this.statuses.push('sent');
      } else {
        if (kind === 'read') cursor.read = Math.max(cursor.read, upTo);
        cursor.delivered = Math.max(cursor.delivered, upTo);
      }
      for (const [index, sender] of this.senders.entries()) {
        const others = [...this.cursors].filter(([name]) => name !== sender);
        const rank =
          others.length === 0
            ? 0
            : Math.min(
                ...others.map(([, { read, delivered }]) =>
                  read > index ? 2 : delivered > index ? 1 : 0,
                ),
              );
        const before = ranks.indexOf(this.statuses[index] ?? '');
        this.statuses[index] = ranks[Math.max(before, rank)] ?? '';
      }
    }
  }

  const operation: fc.Arbitrary<Operation> = fc.record({
    kind: fc.oneof(
      { weight: 4, arbitrary: fc.constant('post' as const) },
      { weight: 4, arbitrary: fc.constant('read' as const) },
      { weight: 3, arbitrary: fc.constant('delivered' as const) },
      { weight: 1, arbitrary: fc.constant('add' as const) },
      { weight: 1, arbitrary: fc.constant('remove' as const) },
    ),
    who: fc.constantFrom(...people),
    to: fc.integer({ min: 0, max: 15 }),
  });

  it('statuses, cursors and unread counts are those of the definition', async () => {
    const ids = new Map<Person, CanonicalId>();
    for (const name of people) ids.set(name, await f.user(name));
    const idOf = (name: Person): CanonicalId => ids.get(name) ?? nobody;

    await fc.assert(
      fc.asyncProperty(
        fc.subarray([...people], { minLength: 1 }),
        fc.array(operation, { minLength: 5, maxLength: 40 }),
        async (start, operations) => {
          const model = new Model();
          for (const who of start) model.apply({ kind: 'add', who, to: 0 });
          const conversationId = await f.conversation(start.map(idOf));
          for (const each of operations) {
            const userId = idOf(each.who);
            const present = model.cursors.has(each.who);
            model.apply(each);
            const to = each.to;
            if (each.kind === 'read') await markRead(conversationId, userId, to);
            else if (each.kind === 'delivered') await markDelivered(conversationId, userId, to);
            else if (each.kind === 'remove')
              await f.store.removeParticipant({ conversationId, userId });
            else if (each.kind === 'add')
              await f.store.addParticipant({
                conversationId,
                userId,
                addedBy: null,
                maxParticipants: 256,
              });
            else if (present) await f.post(conversationId, userId);
          }
          expect(await f.statuses(conversationId)).toEqual(model.statuses);
          for (const name of people) {
            const cursor = model.cursors.get(name);
            const standing = await f.store.readStanding(conversationId, idOf(name));
            if (cursor === undefined) expect(standing).toBeNull();
            else {
              expect(standing).toMatchObject({
                lastSeq: model.senders.length,
                lastReadSeq: cursor.read,
                lastDeliveredSeq: cursor.delivered,
                unread: {
                  count: model.senders.filter((s, i) => i >= cursor.read && s !== name).length,
                  exact: true,
                },
              });
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  it('cursors that move at the same time leave no message behind', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await f.conversation([alice, bob, carol]);
      await f.post(id, alice, 20);
      const moves = Array.from({ length: 20 }, (_, n) => n + 1);
      await Promise.all([
        ...moves.map((seq) => markRead(id, bob, seq)),
        ...moves.map((seq) => markRead(id, carol, seq)),
        ...moves.map((seq) => markDelivered(id, bob, seq)),
        f.post(id, alice, 3),
      ]);
      expect(await f.statuses(id)).toEqual([
        ...moves.map(() => 'read'),
        ...Array.from({ length: 3 }, () => 'sent'),
      ]);
    }
  });
});
