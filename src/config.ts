/**
 * The settings, read once from the environment, checked, and frozen. A value that is not understood
 * stops the start with a sentence that names it; an empty value counts as unset.
 * `.env.example` documents every variable; test/config.test.ts holds the two together.
 */
import { compile as compileProxies } from '@fastify/proxy-addr';
import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type Environment, environmentSchema } from './environment.ts';
import { originOf } from './shared/origin.ts';

/** A frame carries one message: a character may be 6 bytes as a JSON escape. */
function maxFrameBytes(maxContentLength: number): number {
  return maxContentLength * 6 + 4_096;
}

/** Settings that do not make sense; `message` has one line per problem. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

const SECRETS = new Set(['DATABASE_URL', 'REDIS_URL', 'JWT_SECRET', 'SERVICE_TOKENS']);
const MIN_SERVICE_TOKEN_LENGTH = 24;
/** A packet may become some times its bytes, and there are others. */
const MIN_HELD_PAYLOADS = 4;

/**
 * Reads and checks the settings.
 *
 * @throws ConfigError naming every variable that is wrong
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>) {
  const problems: string[] = [];
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries<TSchema>(environmentSchema.properties)) {
    const raw = env[name]?.trim();
    if (raw !== undefined && raw !== '') given[name] = parse(name, raw, schema, problems);
  }
  // A misspelt name would silently be a default; these prefixes are nobody else's.
  for (const name of Object.keys(env)) {
    const ours = /^(?:JWT|PEER|PING)_/.test(name) && env[name] !== '';
    if (ours && !Object.hasOwn(environmentSchema.properties, name)) {
      problems.push(`${name} is not a setting of this service.`);
    }
  }
  const values = Value.Default(environmentSchema, given) as Environment;
  checkTogether(values, problems);
  if (problems.length > 0) throw new ConfigError(problems);

  return Object.freeze({
    nodeEnv: values.NODE_ENV,
    host: values.HOST,
    port: values.PORT,
    workers: values.WORKERS === 'auto' ? ('auto' as const) : Number(values.WORKERS),
    logLevel: values.LOG_LEVEL,
    tls: tlsOf(values),
    database: Object.freeze({
      url: values.DATABASE_URL ?? null,
      poolMax: values.DATABASE_POOL_MAX,
      connectTimeoutMs: values.DATABASE_CONNECT_TIMEOUT_MS,
      statementTimeoutMs: values.DATABASE_STATEMENT_TIMEOUT_MS,
      queryDeadlineMs: values.QUERY_DEADLINE_MS,
      sendDeadlineMs: values.SEND_DEADLINE_MS,
      maxSendQueue: values.MAX_SEND_QUEUE,
      maxSendBatch: values.MAX_SEND_BATCH,
      dataDir: values.DATA_DIR,
    }),
    redis: Object.freeze({
      url: values.REDIS_URL ?? null,
      prefix: values.REDIS_PREFIX,
      requiredForReady: values.READY_REQUIRES_REDIS === 'on',
    }),
    peers: Object.freeze({ host: values.PEER_HOST, port: values.PEER_PORT }),
    delivery: Object.freeze({
      headCheckIntervalMs: values.HEAD_CHECK_INTERVAL_MS,
      holeHoldMs: values.HOLE_HOLD_MS,
      maxReplay: values.MAX_REPLAY,
      maxJoinedConversations: values.MAX_JOINED_CONVERSATIONS,
    }),
    auth: Object.freeze({
      mode: authModeOf(values),
      jwtSecret: values.JWT_SECRET ?? null,
      jwtPublicKey: values.JWT_PUBLIC_KEY ?? null,
      jwksUrl: values.JWT_JWKS_URL ?? null,
      issuer: values.JWT_ISSUER ?? null,
      audience: values.JWT_AUDIENCE ?? null,
      clockToleranceSeconds: values.JWT_CLOCK_TOLERANCE_SECONDS,
      serviceTokens: Object.freeze(listOf(values.SERVICE_TOKENS)),
    }),
    content: Object.freeze({
      maxContentLength: values.MAX_CONTENT_LENGTH,
      sanitizeHtml: values.SANITIZE_HTML,
    }),
    corsOrigins: originsOf(values),
    rateLimits: rateLimitsOf(values),
    work: Object.freeze({
      paidMsPerSecond: values.WORK_PER_PERSON_MS,
      maxWaiting: values.WORK_PER_PERSON_MAX_WAITING,
    }),
    trustedProxies: Object.freeze(listOf(values.TRUSTED_PROXIES)),
    maxPayloadBytes: values.MAX_PAYLOAD_BYTES,
    maxHeldBytes: Math.max(values.MAX_HELD_BYTES, values.MAX_PAYLOAD_BYTES * MIN_HELD_PAYLOADS),
    maxFrameBytes: maxFrameBytes(values.MAX_CONTENT_LENGTH),
    realtime: Object.freeze({
      pingIntervalMs: values.PING_INTERVAL_MS,
      pingTimeoutMs: values.PING_TIMEOUT_MS,
      connectTimeoutMs: values.CONNECT_TIMEOUT_MS,
      maxConnections: values.MAX_CONNECTIONS,
      maxBackpressureBytes: values.MAX_BACKPRESSURE_BYTES,
    }),
    drainGraceMs: values.DRAIN_GRACE_MS,
    demoPage: pageIsOn(values),
  });
}

export type Config = ReturnType<typeof readConfig>;

function parse(name: string, raw: string, schema: TSchema, problems: string[]): unknown {
  const value = schema.type === 'integer' ? (/^\d{1,15}$/.test(raw) ? Number(raw) : raw) : raw;
  const allowed: unknown = schema.enum;
  const fits = Array.isArray(allowed) ? allowed.includes(value) : Value.Check(schema, value);
  if (!fits)
    problems.push(`${name}=${shown(name, raw)} is not understood: ${expectation(schema)}.`);
  return value;
}

function shown(name: string, raw: string): string {
  return SECRETS.has(name) ? '…' : JSON.stringify(raw.slice(0, 80));
}

function expectation(schema: TSchema): string {
  if (Array.isArray(schema.enum)) return `it is one of ${schema.enum.join(', ')}`;
  if (schema.type === 'integer') {
    return `it is a whole number from ${schema.minimum} to ${schema.maximum}`;
  }
  if (schema.description !== undefined) return `it is ${schema.description}`;
  return 'it is a text of printable ASCII without spaces';
}

function checkTogether(values: Environment, problems: string[]): void {
  requireUrl('DATABASE_URL', values.DATABASE_URL, ['postgres:', 'postgresql:'], problems);
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
  if (production && values.JWT_JWKS_URL?.startsWith('http:')) {
    problems.push('JWT_JWKS_URL must be https with NODE_ENV=production.');
  }
  if (listOf(values.SERVICE_TOKENS).some((token) => token.length < MIN_SERVICE_TOKEN_LENGTH)) {
    problems.push(`SERVICE_TOKENS has one shorter than ${MIN_SERVICE_TOKEN_LENGTH} characters.`);
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
    if (origin !== '*' && originOf(origin) === undefined) {
      problems.push(
        `CORS_ORIGINS has ${JSON.stringify(origin)}: an origin is scheme://host[:port].`,
      );
    }
    if (origin === '*' && production) {
      problems.push('CORS_ORIGINS=* is for development: list the exact origins.');
    }
  }
}

function tlsOf({ TLS_KEY_FILE: keyFile, TLS_CERT_FILE: certFile }: Environment) {
  return keyFile === undefined || certFile === undefined
    ? null
    : Object.freeze({ keyFile, certFile });
}

function hasKey(values: Environment): boolean {
  const { JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL, SERVICE_TOKENS } = values;
  return [JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL, SERVICE_TOKENS].some(
    (key) => key !== undefined,
  );
}

function authModeOf(values: Environment): 'jwt' | 'insecure' {
  return values.AUTH_MODE ?? (hasKey(values) ? 'jwt' : 'insecure');
}

function requireUrl(
  name: string,
  value: string | undefined,
  protocols: readonly string[],
  problems: string[],
): void {
  if (value === undefined) return;
  if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
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

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** null: no limits. Unset: on in production. */
function rateLimitsOf(values: Environment) {
  const mode = values.RATE_LIMIT ?? (values.NODE_ENV === 'production' ? 'on' : 'off');
  if (mode === 'off') return null;
  return Object.freeze({
    windowSeconds: values.RATE_LIMIT_WINDOW_SECONDS,
    sends: values.RATE_LIMIT_SENDS,
    requests: values.RATE_LIMIT_REQUESTS,
    fanOut: values.RATE_LIMIT_FAN_OUT,
    events: values.RATE_LIMIT_EVENTS,
    connections: values.RATE_LIMIT_CONNECTIONS,
    failedHandshakes: values.RATE_LIMIT_FAILED_HANDSHAKES,
  });
}

/** Unset: on, but in production. */
function pageIsOn({ DEMO_PAGE, NODE_ENV }: Environment): boolean {
  return (DEMO_PAGE ?? (NODE_ENV === 'production' ? 'off' : 'on')) === 'on';
}

/** Unset: every origin in development, none but the same origin in production. */
function originsOf(values: Environment): '*' | readonly string[] {
  const origins = listOf(values.CORS_ORIGINS);
  if (origins.includes('*')) return '*';
  if (origins.length === 0 && values.NODE_ENV !== 'production') return '*';
  return Object.freeze(origins.flatMap((origin) => originOf(origin) ?? []));
}
