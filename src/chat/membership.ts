/**
 * Who may do what, in one place. Both doors and every rule ask here; nothing else decides.
 */
import type { CanonicalId } from '../shared/ids.ts';
import { ChatError } from './errors.ts';
import type { Actor, Standing, Store, Unread, UnreadRequest } from './ports.ts';
import { joinCost, lookCost, type PersonalWork, STANDING_ROWS } from './work.ts';

/** A participant's standing with what is unread counted. */
export interface CountedStanding extends Standing {
  unread: Unread;
}

/**
 * The person a call is about: a user can only be itself, a service must say whom it means.
 *
 * @throws ChatError identity_mismatch, or invalid_request when a service names nobody
 */
export function actingUser(
  actor: Actor,
  stated: CanonicalId | null | undefined,
  field: string,
): CanonicalId {
  if (actor.kind === 'service') {
    if (stated === null || stated === undefined) {
      throw new ChatError('invalid_request', `A service must say for whom: ${field} is missing.`, {
        [field]: 'is required from a service',
      });
    }
    return stated;
  }
  if (stated !== null && stated !== undefined && stated !== actor.userId) {
    throw new ChatError('identity_mismatch', `${field} is not the caller's own id.`);
  }
  return actor.userId;
}

/**
 * The refusal for a conversation the caller has no part in. A user hears the same for one that does
 * not exist, so that ids cannot be probed; a service is told the difference.
 */
export function noAccess(
  actor: Actor,
  outcome: 'not_a_participant' | 'no_conversation',
): ChatError {
  if (outcome === 'no_conversation' && actor.kind === 'service') {
    return new ChatError('not_found', 'There is no such conversation.');
  }
  return new ChatError(
    'not_a_participant',
    actor.kind === 'service'
      ? 'That user is not a participant of this conversation.'
      : 'You are not a participant of this conversation.',
  );
}

/** @throws ChatError identity_mismatch unless a trusted backend calls */
export function requireService(actor: Actor): void {
  if (actor.kind === 'service') return;
  throw new ChatError('identity_mismatch', 'Only a service may do this.');
}

export interface MembershipDeps {
  store: Store;
  work: PersonalWork;
}

/** What the rules require of participants, read from one store. */
export function createMembership({ store, work }: MembershipDeps) {
  /** Looks under way: a person's many devices that join at once ask the same. */
  const looks = new Map<string, Promise<Unread>>();

  /** Counts the person's unread messages, in their own line of work: there may be many to go through. */
  function look(at: UnreadRequest): Promise<Unread> {
    const key = `${at.conversationId} ${at.userId} ${at.lastReadSeq} ${at.lastSeq}`;
    const same = looks.get(key);
    if (same !== undefined) return same;
    const asked = work
      .alone(at.userId, () => store.readUnread(at), lookCost)
      .finally(() => looks.delete(key));
    looks.set(key, asked);
    return asked;
  }

  /** The refusal after a participant look-up found nothing: only a service needs a second look. */
  async function refusal(actor: Actor, conversationId: CanonicalId): Promise<ChatError> {
    if (actor.kind === 'user') return noAccess(actor, 'not_a_participant');
    const [head] = await store.readHeads([conversationId]);
    return noAccess(actor, head === undefined ? 'no_conversation' : 'not_a_participant');
  }

  return {
    /**
     * The person's place in the conversation, with what is unread counted.
     *
     * @throws ChatError not_a_participant, not_found, rate_limited, unavailable
     */
    async requireStanding(
      actor: Actor,
      conversationId: CanonicalId,
      userId: CanonicalId,
    ): Promise<CountedStanding> {
      const standing = await work.shared(
        userId,
        STANDING_ROWS,
        () => store.readStanding(conversationId, userId),
        joinCost,
      );
      if (standing === null) throw await refusal(actor, conversationId);
      const { lastReadSeq, lastSeq } = standing;
      const unread =
        standing.unread ?? (await look({ conversationId, userId, lastReadSeq, lastSeq }));
      return { ...standing, unread };
    },

    /**
     * The participant's stored name, which may be missing.
     *
     * @throws ChatError not_a_participant, not_found, rate_limited, unavailable
     */
    async requireParticipant(
      actor: Actor,
      conversationId: CanonicalId,
      userId: CanonicalId,
    ): Promise<{ name: string | null }> {
      const participant = await work.shared(userId, 1, () =>
        store.readParticipant(conversationId, userId),
      );
      if (participant === null) throw await refusal(actor, conversationId);
      return participant;
    },
  };
}

export type Membership = ReturnType<typeof createMembership>;
