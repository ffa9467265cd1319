/** Which settings go together, beyond what each of them may be. */
import { compile as compileProxies } from '@fastify/proxy-addr';
import {
  MIN_ENVELOPE_BYTES,
  MIN_METRICS_TOKEN_LENGTH,
  MIN_SERVICE_TOKEN_LENGTH,
} from './bounds/process.ts';
import type { Environment } from './environment.ts';
import { listedOriginOf } from './shared/origin.ts';
import { readPostgresUrl } from './shared/postgres-url.ts';
import { parseUrl } from './shared/url.ts';

/** What nodes say to each other holds a frame, and little besides. */
export function maxEnvelopeBytes(maxContentLength: number): number {
  return Math.max(maxFrameBytes(maxContentLength), MIN_ENVELOPE_BYTES);
}

/** A frame carries one message: a character may be 6 bytes as a JSON escape. */
function maxFrameBytes(maxContentLength: number): number {
  return maxContentLength * 6 + 4_096;
}

/** Adds a sentence to `problems` for whatever does not fit the rest. */
export function checkTogether(values: Environment, problems: string[]): void {
  if (values.DATABASE_URL !== undefined) {
    const target = readPostgresUrl(values.DATABASE_URL);
    if ('fault' in target) problems.push(`DATABASE_URL ${target.fault}`);
  }
  requireUrl('REDIS_URL', values.REDIS_URL, ['redis:', 'rediss:'], problems);
  if (values.REDIS_URL === undefined && Number(values.WORKERS) > 1) {
    problems.push(
      `WORKERS=${values.WORKERS} needs REDIS_URL: several processes hear each other through Redis only.`,
    );
  }
  if (values.PEER_PORT !== 0 && values.WORKERS !== '1') {
    problems.push('PEER_PORT must be 0 with several WORKERS: each listens on a port of its own.');
  }
  if ((values.TLS_KEY_FILE === undefined) !== (values.TLS_CERT_FILE === undefined)) {
    problems.push('TLS_KEY_FILE and TLS_CERT_FILE go together.');
  }
  if (values.MAX_BACKPRESSURE_BYTES < maxFrameBytes(values.MAX_CONTENT_LENGTH) * 2) {
    problems.push('MAX_BACKPRESSURE_BYTES is too small for messages of MAX_CONTENT_LENGTH.');
  }
  const production = values.NODE_ENV === 'production';
  if (production && values.DATABASE_URL === undefined) {
    problems.push('DATABASE_URL is missing: with NODE_ENV=production nothing is embedded.');
  }
  const mode = authModeOf(values);
  if (mode === 'jwt' && !hasKey(values)) {
    problems.push(
      'AUTH_MODE=jwt needs a key: set JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL or SERVICE_TOKENS.',
    );
  }
  requireUrl('JWT_JWKS_URL', values.JWT_JWKS_URL, ['https:', 'http:'], problems);
  const issuer = parseUrl(values.JWT_JWKS_URL ?? '');
  if (issuer !== undefined && issuer.username + issuer.password !== '') {
    problems.push('JWT_JWKS_URL has a user or password: it is fetched without, keys are public.');
  }
  if (production && values.JWT_JWKS_URL?.startsWith('http:')) {
    problems.push('JWT_JWKS_URL must be https with NODE_ENV=production.');
  }
  if (listOf(values.SERVICE_TOKENS).some((token) => token.length < MIN_SERVICE_TOKEN_LENGTH)) {
    problems.push(`SERVICE_TOKENS has one shorter than ${MIN_SERVICE_TOKEN_LENGTH} characters.`);
  }
  if (
    values.METRICS_TOKEN !== undefined &&
    values.METRICS_TOKEN.length < MIN_METRICS_TOKEN_LENGTH
  ) {
    problems.push(`METRICS_TOKEN is shorter than ${MIN_METRICS_TOKEN_LENGTH} characters.`);
  }
  if (values.METRICS_PORT === 0 && values.WORKERS !== '1') {
    problems.push('METRICS_PORT must not be 0 with several WORKERS: all of them listen on it.');
  }
  if (values.METRICS_PORT === values.PORT && values.PORT !== 0) {
    problems.push('METRICS_PORT is PORT: leave it out, or name another one.');
  }
  for (const other of ['PORT', 'METRICS_PORT'] as const) {
    if (values.PEER_PORT !== 0 && values.PEER_PORT === values[other]) {
      problems.push(`PEER_PORT is ${other}: leave it out, or name another one.`);
    }
  }
  if (values.JWT_SECRET !== undefined && Buffer.byteLength(values.JWT_SECRET) < 32) {
    problems.push('JWT_SECRET is too short: HS256 needs at least 32 bytes (RFC 7518 section 3.2).');
  }
  if (mode === 'insecure' && production && values.ALLOW_INSECURE_AUTH !== 'true') {
    problems.push(
      'AUTH_MODE=insecure is refused with NODE_ENV=production: configure a key, ' +
        'or ALLOW_INSECURE_AUTH=true if you know that nobody can reach this service.',
    );
  }
  for (const proxy of listOf(values.TRUSTED_PROXIES)) {
    if (!isProxyRange(proxy)) {
      problems.push(
        `TRUSTED_PROXIES has ${JSON.stringify(proxy)}: it takes addresses, ranges such as 10.0.0.0/8, ` +
          'loopback, linklocal and uniquelocal.',
      );
    }
  }
  for (const origin of listOf(values.CORS_ORIGINS)) {
    if (origin !== '*' && listedOriginOf(origin) === undefined) {
      problems.push(
        `CORS_ORIGINS has ${JSON.stringify(origin)}: an origin is scheme://host[:port], or https://*.example.com for every name below example.com.`,
      );
    }
    if (origin === '*' && production) {
      problems.push('CORS_ORIGINS=* is for development: list the exact origins.');
    }
  }
}

function hasKey(values: Environment): boolean {
  const { JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL, SERVICE_TOKENS } = values;
  return [JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL, SERVICE_TOKENS].some(
    (key) => key !== undefined,
  );
}

/** The mode that is set; where none is, `jwt` as soon as there is a key or a service token. */
export function authModeOf(values: Environment): 'jwt' | 'insecure' {
  return values.AUTH_MODE ?? (hasKey(values) ? 'jwt' : 'insecure');
}

function requireUrl(
  name: string,
  value: string | undefined,
  protocols: readonly string[],
  problems: string[],
): void {
  if (value === undefined) return;
  const url = parseUrl(value);
  if (url === undefined || !protocols.includes(url.protocol)) {
    problems.push(`${name} is not understood: it is a URL that starts with ${protocols[0]}//.`);
  }
}

function isProxyRange(text: string): boolean {
  try {
    compileProxies(text);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** The parts of a comma-separated list, without white space and empty ones. */
export function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
