/** URLs that somebody else has written. */

/**
 * What `text` says as an absolute URL, or undefined when it is none. Not `URL.canParse`: that of Node 20,
 * once it is compiled for speed, takes every text with a character from U+0080 to U+00FF for no URL.
 */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
