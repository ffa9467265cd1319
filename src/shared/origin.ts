/** Web origins, in the one spelling by which they are compared. */
import { parseUrl } from './url.ts';

const webOrigin = /^(https?):\/\/[^\s/?#@\\]+\/?$/i;
/** Of an app that shows pages of its own: `capacitor://localhost`, `chrome-extension://<id>`. */
const appOrigin = /^([a-z][a-z0-9+.-]*):\/\/[\w.-]+(?::\d{1,5})?\/?$/i;
/** Schemes of URLs that no page has as its origin's, or whose pages all have the same one. */
const NO_PAGES: ReadonlySet<string> = new Set([
  ...['http', 'https', 'ws', 'wss', 'ftp', 'file'],
  ...['about', 'blob', 'data', 'javascript'],
]);

/**
 * `scheme://host[:port]` as browsers write it: lower case, no default port (RFC 6454 section 6.2), and
 * without the dot that ends a complete name, which is the same host. undefined for what is no origin
 * of a page: a path, `null`, `file://`.
 */
export function originOf(text: string): string | undefined {
  return webOriginOf(text) ?? appOriginOf(text);
}

function webOriginOf(text: string): string | undefined {
  const url = webOrigin.test(text) ? parseUrl(text) : undefined;
  if (url === undefined) return undefined;
  const name = url.hostname.replace(/\.$/, '');
  if (name === '') return undefined;
  return `${url.protocol}//${name}${url.port === '' ? '' : `:${url.port}`}`;
}

function appOriginOf(text: string): string | undefined {
  const scheme = appOrigin.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || NO_PAGES.has(scheme)) return undefined;
  return text.toLowerCase().replace(/\/$/, '');
}

/** Whether a page of `origin` came from the very server that is asked as `host`, a Host field. */
export function isOfHost(origin: string, host: string): boolean {
  const scheme = webOrigin.exec(origin)?.[1];
  if (scheme === undefined) return false;
  const own = webOriginOf(`${scheme}://${host}`);
  return own !== undefined && own === webOriginOf(origin);
}

const wildcard = /^(https?:\/\/)\*\.(?=[^*]+$)/i;

/**
 * One of `CORS_ORIGINS`, in the spelling by which it is compared: an origin, or `https://*.example.com` for
 * every name below that one, however deep. undefined for anything else, also where everybody's names are below
 * (`https://*.com`).
 */
export function listedOriginOf(text: string): string | undefined {
  const scheme = wildcard.exec(text)?.[1];
  if (scheme === undefined) return text.includes('*') ? undefined : originOf(text);
  const parent = webOriginOf(text.replace('*.', ''));
  if (parent === undefined) return undefined;
  const { hostname } = new URL(parent);
  const isName = /\.[a-z][a-z0-9-]*$/.test(hostname) || hostname === 'localhost';
  return isName ? parent.replace('://', '://*.') : undefined;
}

/** Whose pages may talk to a server besides its own: everybody's, those of this machine, or these. */
export type PageOrigins = '*' | 'loopback' | readonly string[];

/** Whether a page of this origin is one of them. */
export function createOriginRule(origins: PageOrigins): (origin: string) => boolean {
  if (origins === '*') return () => true;
  if (origins === 'loopback') {
    return (origin) => {
      const asked = webOriginOf(origin);
      return asked !== undefined && isLoopbackHost(new URL(asked).host);
    };
  }
  const isListed = createListRule(origins.flatMap((origin) => listedOriginOf(origin) ?? []));
  return (origin) => {
    const asked = originOf(origin);
    return asked !== undefined && isListed(asked);
  };
}

/** Whether a text is listed, or below one that is listed as `*.…`. */
function createListRule(listed: readonly string[]): (text: string) => boolean {
  const known = new Set(listed.filter((text) => !text.includes('*')));
  const below = listed
    .filter((text) => text.includes('*'))
    .map((text) => text.split('*') as [start: string, end: string]);
  return (text) =>
    known.has(text) ||
    below.some(
      ([start, end]) =>
        text.startsWith(start) && text.endsWith(end) && text.length > start.length + end.length,
    );
}

/**
 * Whether a Host field names this machine and nothing else: `localhost` and names below it (RFC 6761
 * section 6.3), 127.0.0.0/8, `[::1]`. Any other name may be somebody else's, who lets it resolve to here
 * (DNS rebinding): then their page is of the same origin as this server, and only the name betrays it.
 */
function isLoopbackHost(host: string): boolean {
  const origin = webOriginOf(`http://${host}`);
  if (origin === undefined) return false;
  return isLoopbackName(new URL(origin).hostname);
}

/** Whether a name or an address alone, `::1` with or without brackets, is this machine and nothing else. */
export function isLoopbackName(name: string): boolean {
  return /^(?:.+\.)?localhost$|^127(?:\.\d+){3}$|^::1$|^\[::1\]$/.test(name);
}

/** The host of one of `CORS_ORIGINS`, as `createHostRule` takes it; none where no server has it. */
export function hostOfListed(origin: string): string[] {
  return webOrigin.test(origin) ? [origin.slice(origin.indexOf('//') + 2)] : [];
}

/** Whether a server may be called by the name in a Host field: loopback names and these; null: any. */
export function createHostRule(hosts: readonly string[] | null): (host: string) => boolean {
  if (hosts === null) return () => true;
  const isListed = createListRule(hosts);
  return (host) => {
    if (isLoopbackHost(host)) return true;
    const asked = webOriginOf(`http://${host}`);
    return asked !== undefined && isListed(asked.slice('http://'.length));
  };
}
