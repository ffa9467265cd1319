/** Web origins, in the one spelling by which they are compared. */

const httpOrigin = /^(https?):\/\/[^\s/?#@\\]+\/?$/i;

/**
 * `scheme://host[:port]` as browsers write it: lower case, no default port (RFC 6454 section 6.2).
 * undefined for what is no origin of a page on the web: another scheme, a path, `null`.
 */
export function originOf(text: string): string | undefined {
  return httpOrigin.test(text) && URL.canParse(text) ? new URL(text).origin : undefined;
}

/** Whether a page of `origin` came from the very server that is asked as `host`, a Host field. */
export function isOfHost(origin: string, host: string): boolean {
  const scheme = httpOrigin.exec(origin)?.[1];
  if (scheme === undefined) return false;
  const own = originOf(`${scheme}://${host}`);
  return own !== undefined && own === originOf(origin);
}
