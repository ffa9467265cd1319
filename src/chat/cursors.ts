/** Read and delivered cursors: how far each participant has come. They only move forward. */
import { actingUser, noAccess } from './membership.ts';
import type { Actor, Events, Store } from './ports.ts';
import type { DeliveredResult, ReadResult } from './schemas.ts';

export function createCursors({ store, events }: { store: Store; events: Events }) {
  /**
   * Marks everything up to `up_to_seq` (left out: everything there is) as read by the person.
   *
   * @throws ChatError identity_mismatch, not_a_participant, not_found, unavailable
   */
  async function markRead(
    actor: Actor,
    conversationId: string,
    input: { user_id?: string | null; up_to_seq?: number | null },
  ): Promise<ReadResult> {
    const userId = actingUser(actor, input.user_id, 'user_id');
    const id = conversationId.toLowerCase();
    const result = await store.markRead({
      conversationId: id,
      userId,
      upToSeq: input.up_to_seq ?? null,
    });
    if (result.outcome === 'not_a_participant' || result.outcome === 'no_conversation') {
      throw noAccess(actor, result.outcome);
    }
    if (result.outcome === 'moved') {
      events.messagesRead({ conversationId: id, userId, lastReadSeq: result.seq });
    }
    return {
      conversation_id: id,
      user_id: userId,
      last_read_seq: result.seq,
      marked: result.marked,
    };
  }

  /** Marks everything up to `up_to_seq` as received by the person; throws as `markRead`. */
  async function markDelivered(
    actor: Actor,
    conversationId: string,
    input: { user_id?: string | null; up_to_seq: number },
  ): Promise<DeliveredResult> {
    const userId = actingUser(actor, input.user_id, 'user_id');
    const id = conversationId.toLowerCase();
    const result = await store.markDelivered({
      conversationId: id,
      userId,
      upToSeq: input.up_to_seq,
    });
    if (result.outcome === 'not_a_participant' || result.outcome === 'no_conversation') {
      throw noAccess(actor, result.outcome);
    }
    if (result.outcome === 'moved') {
      events.messagesDelivered({ conversationId: id, userId, lastDeliveredSeq: result.seq });
    }
    return { conversation_id: id, user_id: userId, last_delivered_seq: result.seq };
  }

  return { markRead, markDelivered };
}

export type Cursors = ReturnType<typeof createCursors>;
