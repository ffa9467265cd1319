/**
 * Faulty builds that the checker must catch: proof that it can see what it looks for. They are made
 * by changing the text of a copy of the sources; the product has no switch for them.
 */
import type { Patch } from './build.ts';

export interface Mutant {
  name: string;
  /** The fault under which it shows. */
  fault: string;
  holdMs: number;
  patches: readonly Patch[];
}

const NO_HEAD_CHECK: Patch = {
  file: 'audience/head-checks.ts',
  find: 'else room.noticeHead(lastSeq, membersVersion);',
  replace: '',
};
const NO_REPAIR: Patch = {
  file: 'audience/room.ts',
  find: 'this.#order.next === undefined) {',
  replace: 'this.#closed) {',
};

const NO_DOUBT: Patch = {
  file: 'audience/room.ts',
  find: 'this.#doubts += 1;\n    this.#advance();',
  replace: 'this.#advance();',
};

export const mutants: readonly Mutant[] = [
  {
    name: 'drop a publish and repair nothing',
    fault: 'none',
    holdMs: 1_000,
    patches: [
      NO_HEAD_CHECK,
      NO_REPAIR,
      {
        file: 'audience/announcer.ts',
        find: 'if (!bus.alone) bus.publish(topic, encodeEnvelope(envelope(), epoch()));',
        replace: `const made = envelope();
    if (made.kind !== 'message' || made.seq % 7 !== 0) bus.publish(topic, encodeEnvelope(made, epoch()));`,
      },
    ],
  },
  {
    // Later messages show what is missing before them: it is the last one that only a comparison finds.
    name: 'publish nothing and never compare a silent room',
    fault: 'none',
    holdMs: 1_000,
    patches: [
      {
        file: 'audience/head-checks.ts',
        find: 'if (room.head !== checked.head || !room.opened) {',
        replace: 'if (checked.dueIn > 0) {',
      },
      {
        file: 'audience/announcer.ts',
        find: 'if (!bus.alone) bus.publish(topic, encodeEnvelope(envelope(), epoch()));',
        replace: `const made = envelope();
    if (made.kind !== 'message') bus.publish(topic, encodeEnvelope(made, epoch()));`,
      },
    ],
  },
  {
    name: 'skip the repair',
    fault: 'redis-kill-pubsub',
    holdMs: 2_000,
    patches: [NO_HEAD_CHECK, NO_REPAIR],
  },
  {
    name: 'swap two deliveries',
    fault: 'none',
    holdMs: 1_000,
    patches: [
      {
        file: 'audience/room.ts',
        find: 'this.#deps.publish(this.topic, frame);',
        replace: `const waiting = (this as unknown as { late?: string | Uint8Array }).late;
    if (seq % 9 === 0) {
      (this as unknown as { late?: string | Uint8Array | undefined }).late = frame;
      return;
    }
    (this as unknown as { late?: string | Uint8Array | undefined }).late = undefined;
    this.#deps.publish(this.topic, frame);
    if (waiting !== undefined) this.#deps.publish(this.topic, waiting);`,
      },
    ],
  },
  {
    name: 'deliver twice',
    fault: 'none',
    holdMs: 1_000,
    patches: [
      {
        file: 'audience/room.ts',
        find: 'this.#deps.publish(this.topic, frame);',
        replace:
          'this.#deps.publish(this.topic, frame); if (seq % 11 === 0) this.#deps.publish(this.topic, frame);',
      },
    ],
  },
  {
    name: 'ack before commit',
    fault: 'pg-terminate',
    holdMs: 3_000,
    patches: [
      {
        file: 'store/append-batch.ts',
        find: 'const rows = await appendMessages(',
        replace: "await sql.unsafe('BEGIN');\n  const rows = await appendMessages(",
      },
      {
        file: 'store/append-batch.ts',
        find: 'const answers = firsts.map(',
        replace: `setTimeout(() => void sql.unsafe('COMMIT').catch(() => undefined), 40);
  const answers = firsts.map(`,
      },
    ],
  },
  {
    name: 'ignore idempotency',
    fault: 'none',
    holdMs: 2_000,
    patches: [
      {
        file: 'store/append-batch.ts',
        find: 'if (clientMessageId === null)',
        replace: 'if (clientMessageId !== undefined)',
      },
      {
        file: 'store/append-statements.ts',
        find: 'drafts.map((draft) => draft.clientMessageId)',
        replace: 'drafts.map(() => null)',
      },
    ],
  },
  {
    name: 'skip the eviction',
    fault: 'member-removed',
    holdMs: 2_000,
    patches: [
      {
        file: 'audience/room-members.ts',
        find: `    this.remove(member);
    member.evicted = true;
    this.#deps.evicted(member, missed);`,
        replace: '    void [member, missed];',
      },
    ],
  },
  {
    name: 'join without a replay',
    fault: 'kill-node',
    holdMs: 0,
    patches: [
      {
        file: 'delivery/entering.ts',
        find: 'let position = plan.from;',
        replace: 'let position = Number.POSITIVE_INFINITY;',
      },
    ],
  },
  {
    name: 'let everybody in',
    fault: 'none',
    holdMs: 1_000,
    patches: [
      {
        file: 'chat/membership.ts',
        find: 'if (standing === null) throw await refusal(actor, conversationId);',
        replace: `if (standing === null) {
        const [head] = await store.readHeads([conversationId]);
        if (head === undefined) throw await refusal(actor, conversationId);
        const marks = { lastReadSeq: 0, lastDeliveredSeq: 0, unread: { count: 0, exact: true } };
        return { ...head, ...marks, lastMessageId: null, lostFuture: null };
      }`,
      },
    ],
  },
  {
    name: 'take an unknown commit for a failed one',
    fault: 'commit-swallowed',
    holdMs: 5_000,
    patches: [
      {
        file: 'store/append-retry.ts',
        find: '{ waits, unsure, deadlineMsOf }',
        replace: '{ waits, unsure: false, deadlineMsOf }',
      },
    ],
  },
  {
    name: 'take a locked conversation for one that is not there',
    fault: 'pg-rows-locked',
    holdMs: 2_000,
    patches: [
      {
        file: 'store/append-batch.ts',
        find: "    case 'locked':",
        replace: "    case 'locked': return { outcome: { outcome: 'no_conversation' } };",
      },
    ],
  },
  {
    name: 'trust the own head over a standby',
    fault: 'pg-failover',
    holdMs: 400,
    patches: [NO_DOUBT],
  },
  {
    name: 'trust the own head over a backup',
    fault: 'pg-restore',
    holdMs: 1_500,
    patches: [NO_DOUBT],
  },
  {
    name: 'open a room anew and tell nobody',
    fault: 'pg-failover',
    holdMs: 400,
    patches: [
      {
        file: 'audience/room.ts',
        find: 'this.#deps.publish(this.topic, told);',
        replace: 'void told;',
      },
    ],
  },
  {
    name: 'take a deleted row for something to tell',
    fault: 'rows-deleted',
    holdMs: 3_000,
    patches: [
      {
        file: 'audience/room.ts',
        find: 'this.#order.passOver(coveredSeq);',
        replace: `this.#order.passOver(coveredSeq);
    this.#deps.publish(
      this.topic,
      eventFrame('resync', { conversation_id: this.conversationId, last_seq: coveredSeq }),
    );`,
      },
    ],
  },
  {
    name: 'repair nothing after a wrong Redis',
    fault: 'redis-demoted',
    holdMs: 4_000,
    patches: [NO_HEAD_CHECK, NO_REPAIR],
  },
  {
    name: 'forget orders that Redis did not carry',
    fault: 'orders',
    holdMs: 3_000,
    patches: [
      {
        file: 'audience/catch-up.ts',
        find: 'users.disconnectOlder(userId, atMs);',
        replace: 'void atMs;',
      },
    ],
  },
];

/** @throws Error naming all there are */
export function mutantNamed(name: string): Mutant {
  const found = mutants.find((mutant) => mutant.name === name);
  if (found !== undefined) return found;
  throw new Error(`There is no mutant "${name}": ${mutants.map((each) => each.name).join(', ')}.`);
}
