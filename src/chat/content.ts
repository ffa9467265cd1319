/**
 * What may stand in a message, and in which form it is stored.
 *
 * Guarantees: what it returns is well-formed Unicode without NUL, within the length limit, with
 * something to see in it, and (`strip`) without markup; a location parses as two numbers in range;
 * a media URL is http(s) and written as a browser would request it. Knows no door and no store.
 */

import { MAX_MEDIA_URL_LENGTH } from '../bounds/chat.ts';
import { isStorable, type StorableText } from '../shared/storable-text.ts';
import { parseUrl } from '../shared/url.ts';
import { ChatError } from './errors.ts';
import { stripMarkup } from './sanitize.ts';
import type { MessageType } from './schemas.ts';

export interface ContentInput {
  content: string;
  messageType: MessageType;
  mediaUrl?: string | null | undefined;
}

export interface ContentRules {
  /** Characters (code points) of `content`, counted as sent. */
  maxContentLength: number;
  /** `strip` removes markup (sanitize.ts); `none` leaves it. Every other rule holds in both. */
  sanitizeHtml: 'strip' | 'none';
}

export interface CleanContent {
  content: StorableText;
  mediaUrl: StorableText | null;
}

/** Ways to end a line other than a newline: it is stored as one, so that no two words become one. */
const lineEnds = /\r\n?|[\v\f\u0085]/g;

/** C0, DEL and C1, except newline and tab. */
const removedControls = /[^\P{Cc}\n\t]/gu;

/** Neither white space nor one of the characters that draw nothing by themselves. */
const somethingVisible = /[^\s\p{Default_Ignorable_Code_Point}]/u;

const decimalDegrees = /^\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*$/;

/**
 * The content of a message as it is stored, or a refusal.
 *
 * - Refused: more than `maxContentLength` code points as sent; NUL; lone surrogates.
 * - A newline: CR, CRLF, vertical tab, form feed, NEL.
 * - Removed: other control characters except newline and tab, *before* markup is looked for, so that
 *   none can hide a tag's name.
 * - `text`: something visible must be left. `image`: the content is a caption and may be empty;
 *   `mediaUrl` is required. `location`: `"lat,lon"` in decimal degrees, stored without white space.
 * - `mediaUrl` goes with `image` only.
 *
 * @throws ChatError `invalid_request`, with the field in `details`.
 */
export function cleanContent(input: ContentInput, rules: ContentRules): CleanContent {
  const { content, messageType } = input;
  const mediaUrl = input.mediaUrl ?? null;
  if (isLongerThan(content, rules.maxContentLength)) {
    throw refusal('content', `content must be at most ${rules.maxContentLength} characters`);
  }
  requireStorable('content', content);
  if (mediaUrl !== null && messageType !== 'image') {
    throw refusal('media_url', 'media_url goes with message_type image only');
  }

  const plain = content.replace(lineEnds, '\n').replace(removedControls, '');
  if (messageType === 'location') return { content: stored(cleanLocation(plain)), mediaUrl: null };

  const clean = rules.sanitizeHtml === 'strip' ? stripMarkup(plain) : plain;
  const isVisible = somethingVisible.test(clean);
  if (messageType === 'image') {
    return { content: stored(isVisible ? clean : ''), mediaUrl: cleanMediaUrl(mediaUrl) };
  }
  if (!isVisible) {
    throw refusal(
      'content',
      content === ''
        ? 'content must not be empty'
        : 'content has nothing to show once white space, control characters and markup are left out',
    );
  }
  return { content: stored(clean), mediaUrl: null };
}

type PlainField = 'content' | 'client_message_id' | 'client_conversation_id';

/**
 * For text that a caller wants stored as it is.
 *
 * @throws ChatError `invalid_request`, with the field in `details`.
 */
export function requireStorable(field: PlainField, text: string): asserts text is StorableText {
  if (isStorable(text)) return;
  throw refusal(field, `${field} must not have a NUL or a lone surrogate`);
}

/** What is made here of storable text, by taking whole characters out, is storable. */
function stored(text: string): StorableText {
  if (!isStorable(text)) throw new Error('Cleaning has made storable text unstorable');
  return text;
}

/** Counts code points only where the answer depends on it: never more than twice `maxLength`. */
function isLongerThan(text: string, maxLength: number): boolean {
  if (text.length <= maxLength) return false;
  if (text.length > 2 * maxLength) return true;
  let length = 0;
  for (const _ of text) length++;
  return length > maxLength;
}

function cleanLocation(content: string): string {
  const [, latitude = '', longitude = ''] = decimalDegrees.exec(content) ?? [];
  if (latitude === '' || longitude === '') {
    throw refusal('content', 'content of a location must be "lat,lon" in decimal degrees');
  }
  if (Math.abs(Number(latitude)) > 90) {
    throw refusal('content', 'latitude must be between -90 and 90');
  }
  if (Math.abs(Number(longitude)) > 180) {
    throw refusal('content', 'longitude must be between -180 and 180');
  }
  return `${latitude},${longitude}`;
}

/** The parsed form is kept, not the typed one: quotes and angle brackets in it are percent-encoded. */
function cleanMediaUrl(mediaUrl: string | null): StorableText {
  if (mediaUrl === null || mediaUrl === '') {
    throw refusal('media_url', 'media_url is required for message_type image');
  }
  if (mediaUrl.length > MAX_MEDIA_URL_LENGTH) throw tooLongUrl();
  const fits = !/[\s\p{Cc}]/u.test(mediaUrl) && isStorable(mediaUrl);
  const url = fits ? parseUrl(mediaUrl) : undefined;
  if (url === undefined) {
    throw refusal('media_url', 'media_url must be a URL, without white space');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refusal('media_url', 'media_url must be http or https');
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal('media_url', 'media_url must not carry a user name or password');
  }
  if (url.href.length > MAX_MEDIA_URL_LENGTH) throw tooLongUrl();
  return stored(url.href);
}

function tooLongUrl(): ChatError {
  return refusal('media_url', `media_url must be at most ${MAX_MEDIA_URL_LENGTH} characters`);
}

function refusal(field: 'media_url' | PlainField, message: string): ChatError {
  return new ChatError('invalid_request', message, { [field]: message });
}
