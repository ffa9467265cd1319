/** The rules for conversations, for who takes part in them and for ending a person's connections. */

import { DEFAULT_CONVERSATIONS_LIMIT, MAX_PARTICIPANTS } from '../bounds/chat.ts';
import { type CanonicalId, NIL_UUID, newId } from '../shared/ids.ts';
import { requireStorable } from './content.ts';
import { ChatError } from './errors.ts';
import { actingUser, noAccess, requireService } from './membership.ts';
import type { Actor, CreationKey, Events, ListPage, Store, UserLimit } from './ports.ts';
import type {
  Conversation,
  ConversationsQuery,
  CreateConversationInput,
  ParticipantChange,
} from './schemas.ts';
import { listCost, membershipCost, type PersonalWork } from './work.ts';

export interface ConversationsDeps {
  store: Store;
  events: Events;
  /** How many people one person may have told of conversations made and memberships changed. */
  fanOutLimit: UserLimit | null;
  work: PersonalWork;
}

/** The rules on one store and one audience; calls of a person wait in their line of `work`. */
export function createConversations({ store, events, fanOutLimit, work }: ConversationsDeps) {
  /**
   * Takes a change that everybody in a conversation is told of from the caller's rate.
   *
   * @throws ChatError rate_limited, unavailable
   */
  async function payForChange(actor: Actor, conversationId: CanonicalId): Promise<void> {
    if (fanOutLimit === null || actor.kind === 'service') return;
    // One who takes no part pays the same for every conversation, so that nothing is told by it.
    const people = await store.countParticipants(conversationId, actor.userId);
    await fanOutLimit.consume(actor.userId, Math.min(Math.max(people, 1), MAX_PARTICIPANTS));
  }

  /**
   * A page of the person's conversations, those with the latest messages first.
   *
   * @throws ChatError identity_mismatch, invalid_request (cursor), rate_limited, unavailable
   */
  async function list(
    actor: Actor,
    userId: CanonicalId,
    query: ConversationsQuery,
  ): Promise<ListPage> {
    const request = {
      userId: actingUser(actor, userId, 'userId'),
      limit: query.limit ?? DEFAULT_CONVERSATIONS_LIMIT,
      cursor: query.cursor ?? null,
    };
    const page = await work.alone(request.userId, () => store.listConversations(request), listCost);
    if (page === null) {
      throw new ChatError('invalid_request', 'cursor is not one that this service gave.', {
        cursor: 'is not one that this service gave',
      });
    }
    return page;
  }

  /**
   * Creates a conversation, or finds the one its match already has, or that this creator made with the same key.
   *
   * @throws ChatError invalid_request, identity_mismatch (a user must be among the participants),
   *   conversation_exists, idempotency_conflict, not_a_participant (no longer), unknown_reference,
   *   rate_limited, unavailable
   */
  async function create(
    actor: Actor,
    input: CreateConversationInput,
  ): Promise<{ created: boolean; conversation: Conversation }> {
    const participantIds = input.participant_ids;
    if (new Set(participantIds).size !== participantIds.length) {
      throw new ChatError('invalid_request', 'participant_ids names someone twice.', {
        participant_ids: 'must be distinct',
      });
    }
    if (actor.kind === 'user' && !participantIds.includes(actor.userId)) {
      throw new ChatError('identity_mismatch', 'You must be among participant_ids.');
    }
    if (fanOutLimit !== null && actor.kind === 'user') {
      await fanOutLimit.consume(actor.userId, participantIds.length);
    }
    const request = {
      id: newId(),
      requestMatchId: input.request_match_id ?? null,
      participantIds,
      key: keyOf(actor, input.client_conversation_id ?? null),
    };
    const result = await work.alone(
      callerOf(actor),
      () => store.createConversation(request),
      () => membershipCost(participantIds.length),
    );
    switch (result.outcome) {
      case 'created':
        events.conversationCreated(result.conversation);
        return { created: true, conversation: result.conversation };
      case 'existing':
        return { created: false, conversation: result.conversation };
      case 'conversation_exists':
        throw new ChatError(
          'conversation_exists',
          'This request match already has a conversation with other participants.',
          { conversation_id: result.conversationId },
        );
      case 'idempotency_conflict':
        throw new ChatError(
          'idempotency_conflict',
          'This client_conversation_id was used for a conversation with another body.',
          { client_conversation_id: 'was used before' },
        );
      case 'not_a_participant':
        throw noAccess(actor, result.outcome);
      case 'unknown_reference':
        throw new ChatError('unknown_reference', `${result.field} names something unknown.`, {
          [result.field]: 'names something unknown',
        });
    }
  }

  /**
   * Adds a person; a service may, and anybody who takes part. Adding somebody who is there already
   * changes nothing.
   *
   * @throws ChatError invalid_request (too many participants), not_a_participant, not_found,
   *   unknown_reference, rate_limited, unavailable
   */
  async function addParticipant(
    actor: Actor,
    conversationId: CanonicalId,
    userId: CanonicalId,
  ): Promise<ParticipantChange> {
    const change = { conversationId, userId };
    await payForChange(actor, change.conversationId);
    const addedBy = callerOf(actor);
    const request = { ...change, addedBy, maxParticipants: MAX_PARTICIPANTS };
    const result = await work.alone(
      addedBy,
      () => store.addParticipant(request),
      () => membershipCost(),
    );
    switch (result.outcome) {
      case 'changed':
        events.participantAdded({ ...change, membersVersion: result.membersVersion });
        break;
      case 'unchanged':
        break;
      case 'unknown_reference':
        throw new ChatError('unknown_reference', 'There is no such user.', {
          userId: 'names something unknown',
        });
      case 'too_many':
        throw new ChatError(
          'invalid_request',
          `A conversation has at most ${MAX_PARTICIPANTS} participants.`,
        );
      default:
        throw noAccess(actor, result.outcome);
    }
    return { conversation_id: change.conversationId, user_id: change.userId };
  }

  /**
   * Removes a person; a service may, and that person. Their sockets leave the conversation at once.
   *
   * @throws ChatError identity_mismatch, not_a_participant, not_found, rate_limited, unavailable
   */
  async function removeParticipant(
    actor: Actor,
    conversationId: CanonicalId,
    userId: CanonicalId,
  ): Promise<ParticipantChange> {
    const change = {
      conversationId,
      userId: actingUser(actor, userId, 'userId'),
    };
    await payForChange(actor, change.conversationId);
    const result = await work.alone(
      callerOf(actor),
      () => store.removeParticipant(change),
      () => membershipCost(),
    );
    switch (result.outcome) {
      case 'changed':
        events.participantRemoved({ ...change, membersVersion: result.membersVersion });
        break;
      case 'unchanged':
        // A user who takes no part must not learn from this that the conversation exists.
        if (actor.kind === 'user') throw noAccess(actor, 'not_a_participant');
        break;
      case 'not_a_participant':
      case 'no_conversation':
        throw noAccess(actor, result.outcome);
      default:
        throw new Error(`removing a participant cannot be ${result.outcome}`);
    }
    return { conversation_id: change.conversationId, user_id: change.userId };
  }

  /**
   * Ends a person's connections on every node; for a service whose user is logged out or banned. The
   * order is kept in PostgreSQL until every node has heard of it.
   *
   * @throws ChatError identity_mismatch unless a service calls; unavailable: the order was not taken
   */
  async function disconnectUser(actor: Actor, userId: CanonicalId): Promise<{ user_id: string }> {
    requireService(actor);
    await store.orderDisconnect(userId);
    events.userDisconnected(userId);
    return { user_id: userId };
  }

  return { disconnectUser, list, create, addParticipant, removeParticipant };
}

/**
 * What the creator may ask for the conversation again by.
 *
 * @throws ChatError invalid_request
 */
function keyOf(actor: Actor, clientConversationId: string | null): CreationKey | null {
  if (clientConversationId === null) return null;
  requireStorable('client_conversation_id', clientConversationId);
  return { creatorId: callerOf(actor) ?? NIL_UUID, clientConversationId };
}

/** The person who calls; null when a service does. */
const callerOf = (actor: Actor): CanonicalId | null =>
  actor.kind === 'user' ? actor.userId : null;

export type Conversations = ReturnType<typeof createConversations>;
