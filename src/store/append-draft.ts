/** Drafts as the batch needs them: what PostgreSQL would refuse is refused before it joins one. */
import type { MessageDraft } from '../chat/ports.ts';
import { isUuid } from '../shared/ids.ts';

/** Width of messages.client_message_id and of messages.message_type, in characters. */
const MAX_CLIENT_MESSAGE_ID = 64;
const MAX_MESSAGE_TYPE = 20;
/** What a draft holds beside its text, and what a character takes at most. */
const DRAFT_OVERHEAD_BYTES = 600;
const BYTES_PER_CHARACTER = 2;

// PostgreSQL text holds neither NUL nor half a character.
const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Why PostgreSQL could not hold this draft, as a sentence for the caller; nothing when it can. */
export function faultOf(draft: MessageDraft): string | undefined {
  if (!isUuid(draft.id)) return 'The message id is not a UUID.';
  if (!isUuid(draft.conversationId)) return 'conversation_id is not a UUID.';
  if (!isUuid(draft.senderId)) return 'sender_id is not a UUID.';
  if (UNSTORABLE.test(draft.content)) return 'content holds a NUL or a lone surrogate.';
  if (draft.mediaUrl !== null && UNSTORABLE.test(draft.mediaUrl)) {
    return 'media_url holds a NUL or a lone surrogate.';
  }
  if (draft.messageType.length > MAX_MESSAGE_TYPE) return 'message_type is too long.';
  const key = draft.clientMessageId;
  if (
    key !== null &&
    (UNSTORABLE.test(key) || key === '' || [...key].length > MAX_CLIENT_MESSAGE_ID)
  ) {
    return 'client_message_id must be 1 to 64 characters without NUL or lone surrogates.';
  }
  return undefined;
}

/** UUIDs as PostgreSQL writes them, so that what it returns is found under the same spelling. */
export function withLowerCaseIds(draft: MessageDraft): MessageDraft {
  const id = draft.id.toLowerCase();
  const conversationId = draft.conversationId.toLowerCase();
  const senderId = draft.senderId.toLowerCase();
  const same =
    id === draft.id && conversationId === draft.conversationId && senderId === draft.senderId;
  return same ? draft : { ...draft, id, conversationId, senderId };
}

/** Roughly what a draft holds in memory while it waits. */
export function bytesOf(draft: MessageDraft): number {
  const characters =
    draft.content.length + (draft.mediaUrl?.length ?? 0) + (draft.clientMessageId?.length ?? 0);
  return DRAFT_OVERHEAD_BYTES + characters * BYTES_PER_CHARACTER;
}
