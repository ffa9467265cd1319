/** Bodies: JSON in UTF-8 and nothing else (RFC 8259 section 8.1), looked at before it is parsed. */
import type { FastifyRequest } from 'fastify';
import { BODY_BOUNDS } from '../bounds/http.ts';
import { ChatError } from '../chat/errors.ts';
import { jsonExcess } from '../shared/json-bounds.ts';
import { utf8Text } from '../shared/utf8.ts';

/**
 * The text of a JSON body.
 *
 * @throws ChatError unsupported_media_type: the content type names another charset; invalid_request: no
 *   UTF-8, too many values, nested too deep
 */
export function jsonTextOf({ headers }: FastifyRequest, body: Buffer): string {
  if (charsetsOf(headers['content-type'] ?? '').some((name) => !/^utf-?8$/i.test(name))) {
    throw new ChatError('unsupported_media_type', 'The body must be in UTF-8.');
  }
  const text = utf8Text(body);
  if (text === undefined) throw new ChatError('invalid_request', 'The body is not valid UTF-8.');
  if (jsonExcess(text, BODY_BOUNDS) !== undefined) {
    throw new ChatError('invalid_request', 'The body has too many values, or is nested too deep.');
  }
  return text;
}

/** The values of all its parameters `charset`: `application/json; charset="utf-8"` has `utf-8`. */
function charsetsOf(contentType: string): string[] {
  return [...contentType.matchAll(/;\s*charset\s*=\s*"?([^\s";]*)/gi)].map(([, name = '']) => name);
}
