/** Web origins, in the one spelling by which they are compared. */
import { parseUrl } from './url.ts';

const httpOrigin = /^(https?):\/\/[^\s/?#@\\]+\/?$/i;

/**
 * `scheme://host[:port]` as browsers write it: lower case, no default port (RFC 6454 section 6.2).
 * undefined for what is no origin of a page on the web: another scheme, a path, `null`.
 */
export function originOf(text: string): string | undefined {
  return httpOrigin.test(text) ? parseUrl(text)?.origin : undefined;
}

/** Whether a page of `origin` came from the very server that is asked as `host`, a Host field. */
export function isOfHost(origin: string, host: string): boolean {
  const scheme = httpOrigin.exec(origin)?.[1];
  if (scheme === undefined) return false;
  const own = originOf(`${scheme}://${host}`);
  return own !== undefined && own === originOf(origin);
}

/** Whose pages may talk to a server besides its own: everybody's, those of this machine, or these. */
export type PageOrigins = '*' | 'loopback' | readonly string[];

/** Whether a page of this origin is one of them. */
export function createOriginRule(origins: PageOrigins): (origin: string) => boolean {
  if (origins === '*') return () => true;
  if (origins === 'loopback') {
    return (origin) => {
      const asked = originOf(origin);
      return asked !== undefined && isLoopbackHost(new URL(asked).host);
    };
  }
  const known = new Set(origins.map(originOf));
  return (origin) => {
    const asked = originOf(origin);
    return asked !== undefined && known.has(asked);
  };
}

/**
 * Whether a Host field names this machine and nothing else: `localhost` and names below it (RFC 6761
 * section 6.3), 127.0.0.0/8, `[::1]`. Any other name may be somebody else's, who lets it resolve to here
 * (DNS rebinding): then their page is of the same origin as this server, and only the name betrays it.
 */
function isLoopbackHost(host: string): boolean {
  const origin = originOf(`http://${host}`);
  if (origin === undefined) return false;
  return isLoopbackName(new URL(origin).hostname);
}

/** Whether a name or an address alone, `::1` with or without brackets, is this machine and nothing else. */
export function isLoopbackName(name: string): boolean {
  return /^(?:.+\.)?localhost$|^127(?:\.\d+){3}$|^::1$|^\[::1\]$/.test(name);
}

/** Whether a server may be called by the name in a Host field: loopback names and these; null: any. */
export function createHostRule(hosts: readonly string[] | null): (host: string) => boolean {
  if (hosts === null) return () => true;
  const known = new Set(hosts);
  return (host) => isLoopbackHost(host) || known.has(host.toLowerCase());
}
