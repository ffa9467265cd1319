/** How much memory a draft takes. */
import type { MessageDraft } from '../chat/ports.ts';

/** What a draft holds beside its text, and what a character takes at most. */
const DRAFT_OVERHEAD_BYTES = 600;
const BYTES_PER_CHARACTER = 2;

/** Roughly what a draft holds in memory while it waits. */
export function bytesOf(draft: MessageDraft): number {
  const characters =
    draft.content.length + (draft.mediaUrl?.length ?? 0) + (draft.clientMessageId?.length ?? 0);
  return DRAFT_OVERHEAD_BYTES + characters * BYTES_PER_CHARACTER;
}
