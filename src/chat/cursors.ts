/** Read and delivered cursors: how far each participant has come. They only move forward. */
import type { CanonicalId } from '../shared/ids.ts';
import { createMarkLine } from './marks.ts';
import { actingUser, noAccess } from './membership.ts';
import type { Actor, Events, Store } from './ports.ts';
import type { DeliveredInput, DeliveredResult, MarkReadInput, ReadResult } from './schemas.ts';
import { markCost, type PersonalWork } from './work.ts';

export interface CursorsDeps {
  store: Store;
  events: Events;
  work: PersonalWork;
}

/** The rules for both cursors: who may move one, and what others hear of it. */
export function createCursors({ store, events, work }: CursorsDeps) {
  // One line for each cursor: either moves by itself.
  const read = createMarkLine((mark) =>
    work.alone(mark.userId, () => store.markRead(mark), markCost),
  );
  const delivered = createMarkLine((mark) =>
    work.alone(mark.userId, () => store.markDelivered(mark), markCost),
  );

  /**
   * Marks everything up to `up_to_seq` (left out: everything there is) as read by the person.
   *
   * @throws ChatError identity_mismatch, not_a_participant, not_found, unavailable
   */
  async function markRead(
    actor: Actor,
    conversationId: CanonicalId,
    input: MarkReadInput,
  ): Promise<ReadResult> {
    const userId = actingUser(actor, input.user_id, 'user_id');
    const result = await read({
      conversationId,
      userId,
      upToSeq: input.up_to_seq ?? null,
    });
    if (result.outcome === 'not_a_participant' || result.outcome === 'no_conversation') {
      throw noAccess(actor, result.outcome);
    }
    if (result.outcome === 'moved') {
      events.messagesRead({ conversationId, userId, lastReadSeq: result.seq });
    }
    return {
      conversation_id: conversationId,
      user_id: userId,
      last_read_seq: result.seq,
      marked: result.marked,
    };
  }

  /** Marks everything up to `up_to_seq` as received by the person; throws what `markRead` throws. */
  async function markDelivered(
    actor: Actor,
    conversationId: CanonicalId,
    input: DeliveredInput,
  ): Promise<DeliveredResult> {
    const userId = actingUser(actor, input.user_id, 'user_id');
    const result = await delivered({
      conversationId,
      userId,
      upToSeq: input.up_to_seq,
    });
    if (result.outcome === 'not_a_participant' || result.outcome === 'no_conversation') {
      throw noAccess(actor, result.outcome);
    }
    if (result.outcome === 'moved') {
      events.messagesDelivered({ conversationId, userId, lastDeliveredSeq: result.seq });
    }
    return { conversation_id: conversationId, user_id: userId, last_delivered_seq: result.seq };
  }

  return { markRead, markDelivered };
}

export type Cursors = ReturnType<typeof createCursors>;
