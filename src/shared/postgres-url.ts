/**
 * What a PostgreSQL URL says: the one place that reads it, for the settings, the service, migrations and
 * the doctor. Pure; knows no driver.
 *
 * The driver itself reads a URL with a TCP host. What it cannot read is taken out of the URL here: a Unix
 * socket, in the three spellings of libpq (https://www.postgresql.org/docs/current/libpq-connect.html).
 * Further spellings (several hosts, `sslmode`, service files …) belong here too.
 */
import { parseUrl } from './url.ts';

export interface PostgresTarget {
  /** A URL that the driver reads whole; with `socket`, what it names as host does not count. */
  url: string;
  /** Left out: what `url` says. */
  socket?: SocketTarget;
}

export interface SocketTarget {
  /** The socket itself. */
  path: string;
  /** What the URL does not say is left out: the driver's defaults (PGUSER, the system's user …) apply. */
  user?: string;
  password?: string;
  database?: string;
}

/** Why a URL cannot be used, as the rest of a sentence that begins with its variable; never with a part of it. */
export interface PostgresUrlFault {
  fault: string;
}

const DEFAULT_PORT = '5432';
const NOT_UNDERSTOOD = 'is not understood: it is a URL that starts with postgres://.';
const PLACE_IN_QUERY =
  'has host, port, user, password or dbname after the ?, where they are read with a Unix socket alone: over TCP it is postgres://user:password@host:port/database.';
/** What libpq takes from the query as well. */
const PLACE_NAMES: ReadonlySet<string> = new Set(['host', 'port', 'user', 'password', 'dbname']);
/** User info, host with port, path and query, nothing decoded; `#` is a character like others, as in libpq. */
const SHAPE = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/i;

/** Reads `text` as `DATABASE_URL` has it. */
export function readPostgresUrl(text: string): PostgresTarget | PostgresUrlFault {
  try {
    const socket = readSocketUrl(text);
    if (socket !== null) return socket;
    const url = parseUrl(text);
    if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) {
      return { fault: NOT_UNDERSTOOD };
    }
    // The driver decodes them, and says `URI malformed` and not of what.
    decodeURIComponent(url.username + url.password);
    // To the driver they are settings of the session: it goes elsewhere, and sends the password there.
    if ([...url.searchParams.keys()].some((name) => PLACE_NAMES.has(name))) {
      return { fault: PLACE_IN_QUERY };
    }
    return { url: text };
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return { fault: 'has a % that no two hexadecimal digits follow: % itself is written %25.' };
  }
}

/** Null when the URL names no socket. @throws URIError when something in it cannot be decoded */
function readSocketUrl(text: string): PostgresTarget | PostgresUrlFault | null {
  const [whole, userInfo = '', authority = '', path = '', query = ''] = SHAPE.exec(text) ?? [];
  if (whole === undefined) return null;
  const given = readQuery(query);
  const [, hostText = '', portText = ''] = /^(.*?)(?::([^:]*))?$/.exec(authority) ?? [];
  // What stands in the query takes precedence, as in libpq.
  const host = given.get('host') ?? decodeURIComponent(hostText);
  if (!host.startsWith('/')) return null;
  if (host.includes('\0')) return { fault: NOT_UNDERSTOOD };
  if (host.includes(',')) return { fault: 'names several hosts: a Unix socket is one directory.' };
  if (/\/\.s\.PGSQL\.\d+$/.test(host)) {
    return {
      fault: 'names a socket as its host: name the directory the socket is in, and the port.',
    };
  }
  const port = (given.get('port') ?? portText) || DEFAULT_PORT;
  if (!/^\d{1,5}$/.test(port)) return { fault: 'has a port that is no number.' };
  const colon = userInfo.indexOf(':');
  const parts = {
    user: given.get('user') ?? decodeURIComponent(colon < 0 ? userInfo : userInfo.slice(0, colon)),
    password:
      given.get('password') ?? (colon < 0 ? '' : decodeURIComponent(userInfo.slice(colon + 1))),
    database: given.get('dbname') ?? decodeURIComponent(path),
  };
  const said = Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== ''));
  const rest = query
    .split('&')
    .filter((pair) => nameOf(pair) !== '' && !PLACE_NAMES.has(nameOf(pair)));
  return {
    url: `postgres://localhost/?${rest.join('&')}`,
    socket: { path: `${host.replace(/\/+$/, '')}/.s.PGSQL.${port}`, ...said },
  };
}

function nameOf(pair: string): string {
  return decodeURIComponent(pair.split('=', 1)[0] ?? '');
}

/** Decoded; of two of a name the last counts. A `+` is a plus sign, as in libpq. */
function readQuery(query: string): Map<string, string> {
  const pairs = query.split('&').filter((pair) => pair.includes('='));
  return new Map(
    pairs.map((pair) => [nameOf(pair), decodeURIComponent(pair.slice(pair.indexOf('=') + 1))]),
  );
}
