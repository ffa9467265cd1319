import { isUtf8 } from 'node:buffer';

/**
 * What bytes say in UTF-8; undefined where they say nothing. Node's own way to read them puts U+FFFD in the
 * place of what it cannot read, and then somebody's text is stored as they never wrote it.
 */
export function utf8Text(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
