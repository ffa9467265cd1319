/** When a message was sent: PostgreSQL's clock, put right by what the conversation already says. */
import { MAX_CLOCK_CORRECTION_MS } from '../bounds/store.ts';

/**
 * The time of a conversation's next message, which is its `last_message_at` then. Order is the
 * seqs' business: after a wrong time this one goes back.
 *
 * @param last the conversation's `last_message_at`, `now` PostgreSQL's clock: ISO 8601 in UTC with
 *   milliseconds, or what PostgreSQL has beside it (`infinity`)
 */
export function nextMessageTime(last: string | null, now: string): string {
  if (last === null || last <= now) return now;
  return Date.parse(last) - Date.parse(now) <= MAX_CLOCK_CORRECTION_MS ? last : now;
}
