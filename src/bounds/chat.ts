/** Bounds of what people do: messages, conversations, pages, typing, marks. */

// chat/content
/** What browsers and proxies agree to carry; UTF-16 units, which in a stored URL are bytes. */
export const MAX_MEDIA_URL_LENGTH = 2048;

// chat/conversations
/** The most people one conversation can have. */
export const MAX_PARTICIPANTS = 256;

// chat/events
/** Characters of a refreshed token; one above AUTHENTICATOR_LIMITS.maxTokenLength is refused as a token. */
export const MAX_TOKEN_TEXT_LENGTH = 16_384;

// chat/marks
/** Marks that wait for one that is under way; a person who makes more of them does not mean it. */
export const MAX_WAITING_MARKS = 2_000;

// chat/sanitize
/** Removing can join new markup (`<scr<b>ipt>`); honest text settles in two passes. */
export const MAX_SANITIZE_PASSES = 8;
/**
 * What the tokenizer may do, in characters read, so that tags that overlap cannot go quadratic: per
 * pass and in all passes together. It suffices for every text up to `MIN_SANITIZE_WORK / 3` characters whose
 * tags do not overlap, and above that for tags of ordinary length. The pass has a limit of its own
 * so that the last pass over a text fits again when its result is the input.
 */
export const MIN_SANITIZE_WORK = 64 * 1024;
export const PASS_WORK_PER_CHARACTER = 2;
export const TOTAL_WORK_PER_CHARACTER = 3;

// chat/schemas
/** How many messages, and conversations, are on a page when the caller does not say. */
export const DEFAULT_HISTORY_LIMIT = 50;
export const DEFAULT_CONVERSATIONS_LIMIT = 100;
/** Most of them that a caller may ask for. */
export const MAX_HISTORY_LIMIT = 200;
export const MAX_CONVERSATIONS_LIMIT = 500;
/** Most characters of a client_conversation_id: as wide as its column. */
export const MAX_CLIENT_CONVERSATION_ID_LENGTH = 64;
/** Most characters of a client_message_id: as wide as its column. */
export const MAX_CLIENT_MESSAGE_ID_LENGTH = 64;

/** Most characters of a cursor of the list: ours have some 60. */
export const MAX_CURSOR_LENGTH = 200;

// chat/typing
/** A start without a further one stops by itself after this long. */
export const TYPING_TIMEOUT_MS = 6_000;
