/** Sending and reading messages: what is stored, who may, and what others hear of it. */

import { DEFAULT_HISTORY_LIMIT } from '../bounds/chat.ts';
import { type CanonicalId, newId } from '../shared/ids.ts';
import { type ContentRules, cleanContent, requireStorable } from './content.ts';
import { ChatError } from './errors.ts';
import { actingUser, noAccess } from './membership.ts';
import type { Actor, Events, HistoryRequest, Store, UserLimit } from './ports.ts';
import type { HistoryPage, HistoryQuery, SendInput, SentMessage } from './schemas.ts';
import { type PersonalWork, pageCost } from './work.ts';

export interface MessagesDeps {
  store: Store;
  events: Events;
  contentRules: ContentRules;
  /** How many messages one person may send; null: as many as they like. Services are not limited. */
  sendLimit: UserLimit | null;
  work: PersonalWork;
}

/** The rules on one store and one audience; history waits in the reader's line of `work`. */
export function createMessages({ store, events, contentRules, sendLimit, work }: MessagesDeps) {
  /**
   * Stores one message and announces it. Resolves after COMMIT; a repeat of a `client_message_id`
   * gives the first message with `duplicate: true` and announces nothing.
   *
   * @param acknowledge called with the result before anybody hears the message; if it throws, the message
   *   is announced all the same
   *
   * @throws ChatError invalid_request, identity_mismatch, not_a_participant, not_found,
   *   idempotency_conflict, rate_limited, unavailable
   */
  async function send(
    actor: Actor,
    conversationId: CanonicalId,
    input: SendInput,
    acknowledge?: (message: SentMessage) => void,
  ): Promise<SentMessage> {
    const senderId = actingUser(actor, input.sender_id, 'sender_id');
    if (sendLimit !== null && actor.kind === 'user') await sendLimit.consume(senderId);
    const messageType = input.message_type ?? 'text';
    const { content, mediaUrl } = cleanContent(
      { content: input.content, messageType, mediaUrl: input.media_url ?? null },
      contentRules,
    );
    const clientMessageId = input.client_message_id ?? null;
    if (clientMessageId !== null) requireStorable('client_message_id', clientMessageId);
    const appended = await store.appendMessage({
      id: newId(),
      conversationId,
      senderId,
      content,
      messageType,
      mediaUrl,
      clientMessageId,
    });
    switch (appended.outcome) {
      case 'stored':
        // The sender hears its acknowledgement before anyone, itself included, hears the message.
        try {
          acknowledge?.(appended.message);
        } finally {
          // It is stored: whatever has become of the answer, the others are to hear of it.
          events.messageStored(appended.message, appended.membersVersion);
        }
        return appended.message;
      case 'duplicate': {
        const sent: SentMessage = { ...appended.message, duplicate: true };
        acknowledge?.(sent);
        return sent;
      }
      case 'idempotency_conflict':
        throw new ChatError(
          'idempotency_conflict',
          'This client_message_id was used for a message with another body.',
          { client_message_id: 'was used before' },
        );
      default:
        throw noAccess(actor, appended.outcome);
    }
  }

  /**
   * A page of the conversation in chronological order; `total` is the conversation's last seq.
   *
   * @throws ChatError invalid_request, not_a_participant, not_found, rate_limited, unavailable
   */
  async function history(
    actor: Actor,
    conversationId: CanonicalId,
    query: HistoryQuery,
  ): Promise<HistoryPage> {
    const request = {
      conversationId,
      viewerId: actor.kind === 'user' ? actor.userId : null,
      limit: query.limit ?? DEFAULT_HISTORY_LIMIT,
      place: placeOf(query),
    };
    const ask = () => store.readHistory(request);
    const read = await work.shared(request.viewerId, request.limit, ask, pageCost);
    if (read.outcome !== 'page') throw noAccess(actor, read.outcome);
    return { messages: read.messages, total: read.total };
  }

  return { send, history };
}

export type Messages = ReturnType<typeof createMessages>;

function placeOf(query: HistoryQuery): HistoryRequest['place'] {
  const { offset, before_seq: beforeSeq, after_seq: afterSeq } = query;
  if (offset !== undefined && (beforeSeq !== undefined || afterSeq !== undefined)) {
    throw new ChatError('invalid_request', 'offset does not go with before_seq or after_seq.', {
      offset: 'does not go with before_seq or after_seq',
    });
  }
  if (beforeSeq !== undefined && afterSeq !== undefined) return { afterSeq, beforeSeq };
  if (beforeSeq !== undefined) return { beforeSeq };
  if (afterSeq !== undefined) return { afterSeq };
  return { offset: offset ?? 0 };
}
