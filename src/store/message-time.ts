/** When a message was sent: PostgreSQL's clock, put right by what the conversation already says. */

/**
 * A message is dated like the one before it when the clock is behind by no more than this: one
 * standby's clock differs from its primary's by less. A time further ahead is wrong itself (rows of
 * an older service in local time, a clock that has been put right since), and no message is given it.
 */
const MAX_CLOCK_CORRECTION_MS = 5_000;

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
