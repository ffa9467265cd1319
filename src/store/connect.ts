/** The one way to the driver: every connection to PostgreSQL is made of a URL that is read here. */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import postgres from 'postgres';
import { POSTGRES_PORT } from '../bounds/shared.ts';
import { type PostgresHost, type PostgresTarget, readPostgresUrl } from '../shared/postgres-url.ts';
import { reasonOf } from '../shared/reason.ts';

/** Which of the hosts of a URL is tried first: the last that was not found unfit. For the process. */
const preferred = new Map<string, number>();

/**
 * A postgres.js instance for the database at `url`, which connects when it is first used: to the first host
 * that has not been found unfit.
 *
 * @throws Error in one sentence, without a part of the URL, when it is not understood
 */
export function connectPostgres<T extends Record<string, postgres.PostgresType>>(
  url: string,
  options: postgres.Options<T>,
) {
  const target = targetOf(url);
  const at = target.hosts[currentHost(url)] ?? {};
  const { user, password, database, applicationName, connectTimeoutS } = target;
  return postgres({
    ...options,
    ...placeOf(at),
    ssl: tlsOf(target, at),
    ...(target.tls.isDirect === true ? { sslnegotiation: 'direct' } : {}),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(connectTimeoutS === undefined ? {} : { connect_timeout: connectTimeoutS }),
    connection: {
      ...options.connection,
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
      ...(target.options === undefined ? {} : { options: target.options }),
    },
  } as postgres.Options<T>);
}

/** How many hosts `url` names. */
export const hostsOf = (url: string): number => targetOf(url).hosts.length;

/** The parameters of `url` that mean nothing here. */
export const ignoredIn = (url: string): readonly string[] => targetOf(url).ignored;

/** Which of them is tried first. */
export const currentHost = (url: string): number => preferred.get(url) ?? 0;

/** To be called when host `unfit` cannot be reached or takes no writes: the next one is tried, if it is still its turn. */
export function tryNextHost(url: string, unfit: number): void {
  if (currentHost(url) === unfit) preferred.set(url, (unfit + 1) % hostsOf(url));
}

/** The driver takes a host with a colon (IPv6) for one with a port, unless both are in arrays. */
function placeOf(at: PostgresHost) {
  if ('path' in at) return { path: at.path };
  if (at.host?.includes(':') !== true) return at;
  return { host: [at.host], port: [at.port === undefined ? POSTGRES_PORT : at.port] };
}

function targetOf(url: string): PostgresTarget {
  const target = readPostgresUrl(url);
  if ('fault' in target) throw new Error(`DATABASE_URL ${target.fault}`);
  return target;
}

const THIS_MACHINE = /^(localhost|127\.[\d.]+|::1)$/i;

/** What the driver and Node.js call what libpq means by `sslmode`. */
function tlsOf({ tls }: PostgresTarget, at: PostgresHost): false | 'prefer' | ConnectionOptions {
  // Not spoken on a Unix socket, whatever `sslmode` says: as in libpq.
  if ('path' in at) return false;
  // One that is not named may be elsewhere (PGHOST).
  const isHere = at.host !== undefined && THIS_MACHINE.test(at.host);
  const mode = tls.mode ?? (isHere ? 'disable' : 'prefer');
  if (mode === 'disable') return false;
  if (mode === 'prefer' || mode === 'allow') return 'prefer';
  const { rootCert, cert, key, keyPassword } = tls;
  const options: ConnectionOptions = {
    ...(rootCert === undefined || rootCert === 'system'
      ? {}
      : { ca: fileOf('sslrootcert', rootCert) }),
    ...(cert === undefined ? {} : { cert: fileOf('sslcert', cert) }),
    ...(key === undefined ? {} : { key: fileOf('sslkey', key) }),
    ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
  };
  // As libpq: with a certificate to check against, `require` checks it.
  if (mode === 'require' && rootCert === undefined)
    return { ...options, rejectUnauthorized: false };
  const { host } = at;
  if (mode === 'verify-full') {
    // By the name that was asked for: the driver gives none for an address.
    return host === undefined
      ? options
      : { ...options, checkServerIdentity: (_name, cert) => checkServerIdentity(host, cert) };
  }
  return { ...options, checkServerIdentity: () => undefined };
}

/** What was last read of each file: while one is exchanged, a new connection must not fail for it. */
const contents = new Map<string, Buffer>();

/** @throws Error in one sentence, when it has never been read */
function fileOf(parameter: string, path: string): Buffer {
  try {
    const read = readFileSync(path);
    contents.set(path, read);
    return read;
  } catch (error) {
    const before = contents.get(path);
    if (before !== undefined) return before;
    throw new Error(
      `The file that DATABASE_URL names as ${parameter} cannot be read: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}
