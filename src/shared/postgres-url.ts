/**
 * What a PostgreSQL URL says: the one place that reads it, for the settings, the service, migrations and
 * the doctor. Pure; knows no driver.
 *
 * Read as libpq does (https://www.postgresql.org/docs/current/libpq-connect.html): several hosts, IPv6, Unix
 * sockets in their three spellings, and its parameters. What other tools leave in a URL is passed over, with
 * its name in `ignored`.
 */

import { POSTGRES_PORT } from '../bounds/shared.ts';

/** Where a server may be. */
export type PostgresHost =
  | { path: string }
  /** What is left out is the driver's default: PGHOST, PGPORT, localhost. */
  | { host?: string; port?: number };

export interface PostgresTarget {
  /** At least one; tried in this order until one takes writes. */
  hosts: readonly PostgresHost[];
  /** What the URL does not say is left out: the driver's defaults (PGUSER, the system's user …) apply. */
  user?: string;
  password?: string;
  database?: string;
  applicationName?: string;
  /** As in `PGOPTIONS`: `-c name=value …`. */
  options?: string;
  connectTimeoutS?: number;
  tls: PostgresTls;
  /** Names of parameters that mean nothing here. */
  ignored: readonly string[];
}

export interface PostgresTls {
  /** As libpq means it; left out: `prefer`, but for this machine, where nothing is spoken in between. */
  mode?: SslMode;
  /** A file, or `system`: the certificates that Node.js trusts. */
  rootCert?: string;
  cert?: string;
  key?: string;
  keyPassword?: string;
  /** Whether TLS begins at once, which PostgreSQL 17 and later take. */
  isDirect?: boolean;
}

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

const NONE_OF_THEM = `that is none of ${SSL_MODES.join(', ')}.`;
/** What drivers that know `ssl` mean by it: `true` has always been checked, name and all. */
const MEANT_BY_SSL: Record<string, SslMode> = {
  true: 'verify-full',
  false: 'disable',
  'no-verify': 'require',
};

/** Why a URL cannot be used, as the rest of a sentence that begins with its variable; never with a part of it. */
export interface PostgresUrlFault {
  fault: string;
}

/** Thrown inside: the rest of the sentence. */
class Fault extends Error {}

const NOT_UNDERSTOOD = 'is not understood: it is a URL that starts with postgres://.';
/** User info, hosts with ports, path and query, nothing decoded; `#` is a character like others, as in libpq. */
const SHAPE = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/is;

/** Of libpq, without a meaning here: what they ask for does not exist, or is decided by the service. */
const NOT_OURS = [
  'channel_binding',
  'client_encoding',
  'fallback_application_name',
  'gsslib',
  'gssdelegation',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'krbsrvname',
  'load_balance_hosts',
  'passfile',
  'sslcompression',
  'sslsni',
  'tcp_user_timeout',
];
/** What Prisma, JDBC, Django, SQLAlchemy, hosted services and poolers put there for themselves. */
const OF_OTHER_TOOLS = [
  'ApplicationName',
  'connection_limit',
  'conn_max_age',
  'currentSchema',
  'max_prepared_statements',
  'pgbouncer',
  'pool',
  'pool_max_conns',
  'pool_mode',
  'pool_size',
  'pool_timeout',
  'prepareThreshold',
  'prepared_statements',
  'schema',
  'search_path',
  'server_version',
  'serverVersion',
  'socket_timeout',
  'sslaccept',
  'statement_cache_size',
  'stringtype',
  'supa',
  'uselibpqcompat',
  'charset',
  'encoding',
  'idle_timeout',
  'max',
  'max_lifetime',
  'prepare',
  'pool_min_conns',
  'pool_max_conn_lifetime',
  'pool_max_conn_idle_time',
  'timeout',
  'checkout_timeout',
];
const IGNORED: ReadonlySet<string> = new Set([...NOT_OURS, ...OF_OTHER_TOOLS]);
/** Asked for, and not to be had: to pass over it would be to promise it. */
const NOT_TO_BE_HAD: ReadonlySet<string> = new Set([
  'service',
  'servicefile',
  'requirepeer',
  'require_auth',
  'sslcrl',
  'sslcrldir',
  'requiressl',
  'replication',
  'hostaddr',
  'ssl_min_protocol_version',
  'ssl_max_protocol_version',
]);

/** Reads `text` as `DATABASE_URL` has it. */
export function readPostgresUrl(text: string): PostgresTarget | PostgresUrlFault {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    if (!(error instanceof URIError)) throw error;
    return { fault: 'has a % that no two hexadecimal digits follow: % itself is written %25.' };
  }
}

function read(text: string): PostgresTarget {
  const [whole, userInfo = '', authority = '', path = '', query = ''] = SHAPE.exec(text) ?? [];
  if (whole === undefined || /[\0\r\n]/.test(text)) throw new Fault(NOT_UNDERSTOOD);
  const given = readQuery(query);
  /** Takes a parameter, so that in the end those are left that nobody knows. Empty is not given. */
  const take = (name: string): string | undefined => {
    const value = given.get(name);
    given.delete(name);
    return value === '' ? undefined : value;
  };
  const colon = userInfo.indexOf(':');
  const said = {
    // What stands in the query takes precedence, as in libpq.
    user: take('user') ?? decodeURIComponent(colon < 0 ? userInfo : userInfo.slice(0, colon)),
    password: take('password') ?? decodeURIComponent(colon < 0 ? '' : userInfo.slice(colon + 1)),
    database: take('dbname') ?? decodeURIComponent(path),
    applicationName: take('application_name'),
    options: take('options'),
    connectTimeoutS: wholeNumber('connect_timeout', take('connect_timeout')),
  };
  const hosts = readHosts(authority, take('host'), take('port'));
  const tls = readTls(take);
  requireWrites(take('target_session_attrs'));
  if (take('gssencmode') === 'require')
    throw new Fault('asks for gssencmode=require, which the service does not speak.');
  const ignored = [...given.keys()].filter((name) => IGNORED.has(name));
  for (const name of given.keys()) {
    if (IGNORED.has(name)) continue;
    throw new Fault(
      NOT_TO_BE_HAD.has(name)
        ? `has ${name} after the ?, which the service cannot do.`
        : `has a parameter after the ? that is not understood${shown(name)}; settings of the session are written options=-c%20name%3Dvalue.`,
    );
  }
  const parts = Object.fromEntries(
    Object.entries(said).filter(([, value]) => value !== undefined && value !== ''),
  );
  return { hosts, ...parts, tls, ignored };
}

/** A parameter's name, where it can be one: never what may be a piece of a password. */
function shown(name: string): string {
  return /^[a-z_]{2,32}$/i.test(name) ? ` (${name})` : '';
}

function readHosts(
  authority: string,
  inQuery: string | undefined,
  portsInQuery: string | undefined,
): PostgresHost[] {
  const entries = authority.split(',').map((entry) => {
    const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(entry) ?? [];
    if (entry !== '' && host === '' && port === '') throw new Fault(NOT_UNDERSTOOD);
    return { host: decodeURIComponent(host), port };
  });
  const hosts = inQuery === undefined ? entries.map(({ host }) => host) : inQuery.split(',');
  const ports =
    portsInQuery === undefined ? entries.map(({ port }) => port) : portsInQuery.split(',');
  if (ports.length !== 1 && ports.length !== hosts.length) {
    throw new Fault(
      'names several hosts, and another number of ports: one for all, or one for each.',
    );
  }
  return hosts.map((host, at) => toHost(host, portOf(ports.length === 1 ? ports[0] : ports[at])));
}

function toHost(name: string, port: number | undefined): PostgresHost {
  if (name.includes('\0')) throw new Fault(NOT_UNDERSTOOD);
  if (/\/\.s\.PGSQL\.\d+$/.test(name)) {
    throw new Fault(
      'names a socket as its host: name the directory the socket is in, and the port.',
    );
  }
  if (name.startsWith('/'))
    return {
      path: `${name.replace(/\/+$/, '')}/.s.PGSQL.${port === undefined ? POSTGRES_PORT : port}`,
    };
  const host = name.startsWith('[') ? name.slice(1, -1) : name;
  if (/[\s[\]@/]/.test(host)) throw new Fault(NOT_UNDERSTOOD);
  return { ...(host === '' ? {} : { host }), ...(port === undefined ? {} : { port }) };
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Fault('has a port that is no number from 1 to 65535.');
  return port;
}

function readTls(take: (name: string) => string | undefined): PostgresTls {
  const sslMode = take('sslmode');
  if (sslMode !== undefined && !isSslMode(sslMode))
    throw new Fault(`has an sslmode ${NONE_OF_THEM}`);
  const ssl = take('ssl');
  const byOthers = ssl === undefined ? undefined : (MEANT_BY_SSL[ssl] ?? ssl);
  if (byOthers !== undefined && !isSslMode(byOthers)) throw new Fault(`has an ssl ${NONE_OF_THEM}`);
  const negotiation = take('sslnegotiation');
  if (negotiation !== undefined && !['direct', 'postgres'].includes(negotiation)) {
    throw new Fault('has an sslnegotiation that is neither postgres nor direct.');
  }
  const rootCert = take('sslrootcert');
  const bySystem = rootCert === 'system';
  const mode = sslMode ?? byOthers ?? (bySystem ? 'verify-full' : undefined);
  // As libpq: a certificate that anybody can have says nothing without the name in it.
  if (bySystem && mode !== 'verify-full') {
    throw new Fault('has sslrootcert=system, which goes with sslmode=verify-full only.');
  }
  if (mode === 'verify-ca' && rootCert === undefined) {
    throw new Fault('has sslmode=verify-ca without an sslrootcert to check against.');
  }
  const isDirect = negotiation === 'direct' ? true : undefined;
  if (isDirect && (mode === undefined || !['require', 'verify-ca', 'verify-full'].includes(mode))) {
    throw new Fault('has sslnegotiation=direct, which goes with sslmode=require or stronger only.');
  }
  const files = { cert: take('sslcert'), key: take('sslkey'), keyPassword: take('sslpassword') };
  const all = { mode, rootCert, ...files, isDirect };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function isSslMode(text: string): text is SslMode {
  return SSL_MODES.some((mode) => mode === text);
}

/** The service writes, so it goes on to the next host where it cannot; other wishes cannot be met. */
function requireWrites(attributes: string | undefined): void {
  if (attributes === undefined || ['any', 'read-write', 'primary'].includes(attributes)) return;
  throw new Fault(
    'has a target_session_attrs other than read-write, primary or any: the service writes.',
  );
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw new Fault(`has a ${name} that is no whole number of seconds.`);
  // Zero waits for ever there; here nothing does.
  return Number(text) === 0 ? undefined : Number(text);
}

/** Decoded; of two of a name the last counts. A `+` is a plus sign, as in libpq. */
function readQuery(query: string): Map<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [decodeURIComponent(name), decodeURIComponent(value.join('='))];
    }),
  );
}
