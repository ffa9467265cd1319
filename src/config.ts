/**
 * The settings, read once from the environment, checked, and frozen. A value that is not understood
 * stops the start with a sentence that names it; an empty value counts as unset.
 * `.env.example` documents every variable; test/config.test.ts holds the two together. What bounds the
 * service and is nobody's to set is in bounds/, with its unit and why; where a setting is such a bound, its
 * default is taken from there.
 */
import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { MIN_HELD_PAYLOADS } from './bounds/process.ts';
import { authModeOf, checkTogether, listOf, maxEnvelopeBytes } from './config-rules.ts';
import { type Environment, environmentSchema } from './environment.ts';
import { hostOfListed, isLoopbackName, listedOriginOf, type PageOrigins } from './shared/origin.ts';

/** Settings that do not make sense; `message` has one line per problem. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

const SECRETS = new Set([
  'DATABASE_URL',
  'REDIS_URL',
  'JWT_SECRET',
  'SERVICE_TOKENS',
  'METRICS_TOKEN',
]);

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
    host: hostOf(values),
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
    audience: Object.freeze({
      headCheckIntervalMs: values.HEAD_CHECK_INTERVAL_MS,
      holeHoldMs: values.HOLE_HOLD_MS,
      maxEnvelopeBytes: maxEnvelopeBytes(values.MAX_CONTENT_LENGTH),
    }),
    delivery: Object.freeze({
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
    /** Whether pages of others are kept away: every caller is believed, and nobody meant them. */
    guardsPages: guardsPages(values),
    /** The names by which the service may be called; null: any. */
    trustedHosts: trustedHostsOf(values),
    rateLimits: rateLimitsOf(values),
    work: Object.freeze({
      paidMsPerSecond: values.WORK_PER_PERSON_MS,
      maxWaiting: values.WORK_PER_PERSON_MAX_WAITING,
    }),
    trustedProxies: Object.freeze(listOf(values.TRUSTED_PROXIES)),
    maxPayloadBytes: values.MAX_PAYLOAD_BYTES,
    maxHeldBytes: Math.max(values.MAX_HELD_BYTES, values.MAX_PAYLOAD_BYTES * MIN_HELD_PAYLOADS),
    realtime: Object.freeze({
      pingIntervalMs: values.PING_INTERVAL_MS,
      pingTimeoutMs: values.PING_TIMEOUT_MS,
      connectTimeoutMs: values.CONNECT_TIMEOUT_MS,
      maxConnections: values.MAX_CONNECTIONS,
      maxBackpressureBytes: values.MAX_BACKPRESSURE_BYTES,
    }),
    metrics: Object.freeze({
      token: values.METRICS_TOKEN ?? null,
      /** The port of the figures; null: they are on the port of everything else. */
      port: values.METRICS_PORT ?? null,
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

function tlsOf({ TLS_KEY_FILE: keyFile, TLS_CERT_FILE: certFile }: Environment) {
  return keyFile === undefined || certFile === undefined
    ? null
    : Object.freeze({ keyFile, certFile });
}

/** The rates; null: there are no limits. Where nothing is said, there are in production. */
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

/** Whether there is a page; where nothing is said, there is, but in production. */
function pageIsOn({ DEMO_PAGE, NODE_ENV }: Environment): boolean {
  return (DEMO_PAGE ?? (NODE_ENV === 'production' ? 'off' : 'on')) === 'on';
}

/** Every caller is believed, and it is not production, where somebody has said that this is meant. */
const believesAll = (values: Environment): boolean =>
  authModeOf(values) === 'insecure' && values.NODE_ENV !== 'production';

/**
 * The address to listen on. Where none is given: this machine alone if every caller is believed, else every
 * IPv4 address.
 */
function hostOf(values: Environment): string {
  return values.HOST ?? (believesAll(values) ? 'localhost' : '0.0.0.0');
}

/**
 * Unset: in production none but the same origin; in development every origin, or those of this machine
 * where every caller is believed.
 */
function originsOf(values: Environment): PageOrigins {
  const origins = listOf(values.CORS_ORIGINS);
  if (origins.includes('*')) return '*';
  if (origins.length > 0)
    return Object.freeze(origins.flatMap((origin) => listedOriginOf(origin) ?? []));
  if (believesAll(values)) return 'loopback';
  return values.NODE_ENV === 'production' ? Object.freeze([]) : '*';
}

function guardsPages(values: Environment): boolean {
  return believesAll(values) && originsOf(values) !== '*';
}

function trustedHostsOf(values: Environment): readonly string[] | null {
  const origins = originsOf(values);
  if (!guardsPages(values) || origins === '*' || !isLoopbackName(hostOf(values))) return null;
  return origins === 'loopback' ? [] : Object.freeze(origins.flatMap(hostOfListed));
}
