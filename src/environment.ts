/** Every variable the service reads, by its name in the environment, with its default and bounds. */
import { type Static, Type } from '@sinclair/typebox';
import { MAX_PARTICIPANTS } from './bounds/chat.ts';
import { WORK_LIMITS } from './bounds/limits.ts';
import { SOCKET_SERVER_LIMITS } from './bounds/realtime.ts';
import { DEFAULT_MAX_HELD_BYTES } from './bounds/shared.ts';
import { STORE_LIMITS, WRITER_LIMITS } from './bounds/store.ts';

const Count = (defaultValue: number, minimum: number, maximum: number) =>
  Type.Integer({ default: defaultValue, minimum, maximum });
const Choice = <const T extends readonly string[]>(values: T, defaultValue?: T[number]) =>
  Type.Unsafe<T[number]>(
    Type.String({ enum: [...values], ...(defaultValue ? { default: defaultValue } : {}) }),
  );
const Text = Type.Optional(Type.String());

export const environmentSchema = Type.Object({
  NODE_ENV: Choice(['development', 'test', 'production'], 'development'),
  HOST: Text,
  PORT: Count(3006, 0, 65_535),
  TLS_KEY_FILE: Text,
  TLS_CERT_FILE: Text,
  WORKERS: Type.String({
    default: '1',
    pattern: '^(?:auto|[1-9]|[1-5][0-9]|6[0-4])$',
    description: 'a whole number from 1 to 64, or auto',
  }),
  LOG_LEVEL: Choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),

  DATABASE_URL: Text,
  DATABASE_POOL_MAX: Count(10, 1, 1_000),
  DATABASE_CONNECT_TIMEOUT_MS: Count(3_000, 100, 60_000),
  DATABASE_STATEMENT_TIMEOUT_MS: Count(10_000, 100, 600_000),
  QUERY_DEADLINE_MS: Count(STORE_LIMITS.maxWaitMs, 100, 60_000),
  SEND_DEADLINE_MS: Count(WRITER_LIMITS.sendDeadlineMs, 100, 60_000),
  MAX_SEND_QUEUE: Count(WRITER_LIMITS.maxQueue, 1, 1_000_000),
  MAX_SEND_BATCH: Count(WRITER_LIMITS.maxBatch, 1, 10_000),
  DATA_DIR: Type.String({ default: '.data' }),

  REDIS_URL: Text,
  REDIS_PREFIX: Type.String({ default: 'messaging:', maxLength: 64, pattern: '^[\\x21-\\x7e]*$' }),
  READY_REQUIRES_REDIS: Choice(['off', 'on'], 'off'),
  PEER_HOST: Type.String({
    default: '127.0.0.1',
    maxLength: 255,
    // Listened on and told to the others: one that means every address would send them to themselves.
    pattern: '^(?![0.:]+$)[\\w.:-]+$',
    description: 'auto, or an address or name of this machine alone, such as 10.0.0.7',
  }),
  PEER_PORT: Count(0, 0, 65_535),
  HEAD_CHECK_INTERVAL_MS: Count(1_000, 50, 60_000),
  HOLE_HOLD_MS: Count(50, 1, 10_000),

  AUTH_MODE: Type.Optional(Choice(['jwt', 'insecure'])),
  JWT_SECRET: Text,
  JWT_PUBLIC_KEY: Text,
  JWT_JWKS_URL: Text,
  JWT_ISSUER: Text,
  JWT_AUDIENCE: Text,
  JWT_CLOCK_TOLERANCE_SECONDS: Count(0, 0, 300),
  SERVICE_TOKENS: Text,
  ALLOW_INSECURE_AUTH: Choice(['false', 'true'], 'false'),
  CORS_ORIGINS: Text,

  MAX_PAYLOAD_BYTES: Count(SOCKET_SERVER_LIMITS.maxPayloadBytes, 1_024, 100_000_000),
  MAX_CONTENT_LENGTH: Count(STORE_LIMITS.maxContentLength, 1, 1_000_000),
  SANITIZE_HTML: Choice(['strip', 'none'], 'strip'),
  MAX_REPLAY: Count(10_000, 0, 1_000_000),
  MAX_JOINED_CONVERSATIONS: Count(SOCKET_SERVER_LIMITS.maxTopicsPerSocket, 1, 100_000),
  RATE_LIMIT: Type.Optional(Choice(['off', 'on'])),
  RATE_LIMIT_WINDOW_SECONDS: Count(10, 1, 3_600),
  RATE_LIMIT_SENDS: Count(300, 1, 1_000_000),
  RATE_LIMIT_REQUESTS: Count(1_000, 1, 1_000_000),
  // One conversation of as many people as there may be in one always fits.
  RATE_LIMIT_FAN_OUT: Count(1_000, MAX_PARTICIPANTS, 1_000_000),
  RATE_LIMIT_EVENTS: Count(1_000, 1, 1_000_000),
  RATE_LIMIT_CONNECTIONS: Count(2_000, 1, 1_000_000),
  RATE_LIMIT_FAILED_HANDSHAKES: Count(100, 1, 1_000_000),
  WORK_PER_PERSON_MS: Count(WORK_LIMITS.paidMsPerSecond, 1, 100_000),
  WORK_PER_PERSON_MAX_WAITING: Count(WORK_LIMITS.maxWaiting, 1, 1_000_000),
  TRUSTED_PROXIES: Text,

  PING_INTERVAL_MS: Count(SOCKET_SERVER_LIMITS.pingIntervalMs, 100, 600_000),
  PING_TIMEOUT_MS: Count(SOCKET_SERVER_LIMITS.pingTimeoutMs, 100, 600_000),
  CONNECT_TIMEOUT_MS: Count(SOCKET_SERVER_LIMITS.connectTimeoutMs, 100, 600_000),
  MAX_CONNECTIONS: Count(SOCKET_SERVER_LIMITS.maxSessions, 1, 10_000_000),
  MAX_BACKPRESSURE_BYTES: Count(SOCKET_SERVER_LIMITS.maxBackpressureBytes, 16_384, 1_073_741_824),
  MAX_HELD_BYTES: Count(DEFAULT_MAX_HELD_BYTES, 1_048_576, 1_099_511_627_776),
  DRAIN_GRACE_MS: Count(3_000, 0, 600_000),

  METRICS_TOKEN: Text,
  METRICS_PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  DEMO_PAGE: Type.Optional(Choice(['off', 'on'])),
});

export type Environment = Static<typeof environmentSchema>;
