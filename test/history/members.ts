/** Who took part in a conversation when, from the member list's own log. */
import type { History, MembershipRow, Table } from './history.ts';

export interface Members {
  /** Whether this person was a participant in the transaction that stored message `seq`. */
  tookPart(conversationId: string, userId: string, seq: number): boolean;
  /** Whether they may be shown message `seq` at time `at`: as participant then, or added since. */
  mayHear(conversationId: string, userId: string, seq: number, at: number): boolean;
  /** Whether they have ever been a participant. */
  wasMember(conversationId: string, userId: string): boolean;
  /** Whether they have been one from before the first message to the end. */
  wasAlwaysMember(conversationId: string, userId: string): boolean;
  /** Whether they are a participant at the end. */
  isMember(conversationId: string, userId: string): boolean;
}

export function createMembers(history: History, table: Table): Members {
  const changes = new Map<string, MembershipRow[]>();
  for (const row of table.membership) {
    const key = `${row.conversationId} ${row.userId}`;
    const known = changes.get(key);
    if (known === undefined) changes.set(key, [row]);
    else known.push(row);
  }
  const of = (conversationId: string, userId: string): readonly MembershipRow[] =>
    changes.get(`${conversationId} ${userId}`) ?? [];

  /** The last change made before message `seq` was stored. */
  const lastBefore = (list: readonly MembershipRow[], seq: number): MembershipRow | undefined =>
    list.findLast((row) => row.lastSeq < seq);

  function tookPart(conversationId: string, userId: string, seq: number): boolean {
    return lastBefore(of(conversationId, userId), seq)?.action === 'added';
  }

  return {
    tookPart,
    wasMember: (conversationId, userId) => of(conversationId, userId).length > 0,
    wasAlwaysMember(conversationId, userId) {
      const [first, ...more] = of(conversationId, userId);
      return first?.action === 'added' && first.lastSeq === 0 && more.length === 0;
    },
    isMember: (conversationId, userId) => of(conversationId, userId).at(-1)?.action === 'added',
    mayHear(conversationId, userId, seq, at) {
      if (tookPart(conversationId, userId, seq)) return true;
      // Somebody added again may read all history, so also what was said while they were out.
      const list = of(conversationId, userId);
      const addedSince = list.some((row) => row.action === 'added' && row.lastSeq >= seq);
      return (
        addedSince &&
        history.membership.some(
          (call) =>
            call.action === 'added' &&
            call.conversationId === conversationId &&
            call.userId === userId &&
            call.invokedAt <= at,
        )
      );
    },
  };
}
