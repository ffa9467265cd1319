/** The logger: pretty in a terminal, JSON otherwise, and never a secret or a message's text. */
import { isNativeError } from 'node:util/types';
import pino, { type DestinationStream, type Logger } from 'pino';
import { MAX_LOGGED_DEPTH, MAX_LOGGED_TEXT_LENGTH } from './bounds/process.ts';

export type { Logger };

const REDACTED = [
  'content',
  '*.content',
  'token',
  '*.token',
  'auth',
  '*.auth',
  'req.headers.authorization',
  'headers.authorization',
  'headers.cookie',
];

/**
 * What is shown of an error beside its kind, words, stack and causes: what went wrong, never with
 * what. Libraries hang on theirs whatever they have at hand: a Redis command with its password or a
 * peer's key, the parameters of a statement, the row it was about, the URL that could not be read.
 */
const SHOWN_FIELDS = [
  'code',
  'errno',
  'syscall',
  'address',
  'port',
  'severity',
  'schema_name',
  'table_name',
  'column_name',
  'constraint_name',
  'statusCode',
] as const;

export interface LogSettings {
  level: string;
  /** Whether lines are for people instead of machines. */
  pretty: boolean;
}

/** @param destination left out: standard output */
export function createLog(settings: LogSettings, destination?: DestinationStream): Logger {
  const pinoOptions = {
    level: settings.level,
    base: null,
    redact: { paths: REDACTED, censor: '[redacted]' },
    // pino's own would show every field. What it is given here is described already.
    serializers: { err: (described: unknown) => described },
    formatters: { log: (fields: Record<string, unknown>) => describeFields(fields) },
    ...(settings.pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss.l' } } }
      : { timestamp: pino.stdTimeFunctions.isoTime }),
  };
  return destination === undefined ? pino(pinoOptions) : pino(pinoOptions, destination);
}

/** The fields of a line with every error in them described, wherever it stands. */
function describeFields(fields: Record<string, unknown>): Record<string, unknown> {
  const described = Object.entries(fields).map(([name, value]) => {
    return [name, name === 'err' ? describeError(value) : describeWithin(value)];
  });
  return Object.fromEntries(described);
}

function describeWithin(value: unknown, depth = 0): unknown {
  if (isError(value)) return describeError(value, depth);
  if (typeof value !== 'object' || value === null || depth >= MAX_LOGGED_DEPTH) return value;
  if (Array.isArray(value)) return value.map((one) => describeWithin(one, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, describeWithin(inner, depth + 1)]),
  );
}

const isError = (value: unknown): value is Error => value instanceof Error || isNativeError(value);

/** Whatever was thrown, as a log may show it. */
function describeError(thrown: unknown, depth = 0): unknown {
  if (!isError(thrown)) return { type: typeof thrown, message: 'what was thrown is no error' };
  const error: Error & { errors?: unknown } = thrown;
  const type = error.constructor?.name ?? error.name;
  const message = wordsOf(error);
  const shown: Record<string, unknown> = { type, message };
  for (const name of SHOWN_FIELDS) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === 'number') shown[name] = value;
    if (typeof value === 'string') shown[name] = value.slice(0, MAX_LOGGED_TEXT_LENGTH);
  }
  const command: unknown = Reflect.get(error, 'command');
  if (typeof command === 'object' && command !== null) {
    const name: unknown = Reflect.get(command, 'name');
    if (typeof name === 'string') shown.command = name;
  }
  // Its first lines are the words again, as they were thrown.
  const frames = /^ {4}at .*/ms.exec(error.stack ?? '')?.[0] ?? '';
  shown.stack = `${type}: ${message}\n${frames}`;
  if (depth >= MAX_LOGGED_DEPTH) return shown;
  if (error.cause !== undefined) shown.cause = describeError(error.cause, depth + 1);
  if (Array.isArray(error.errors)) {
    shown.errors = error.errors
      .slice(0, MAX_LOGGED_DEPTH)
      .map((one) => describeError(one, depth + 1));
  }
  return shown;
}

/** The words of an error without what they quote: the text that is no JSON, the value that does not fit. */
function wordsOf(error: Error): string {
  let words = error.message;
  if (error instanceof SyntaxError) {
    words = words.replace(/(?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON/s, '… is not valid JSON');
  }
  // "Data exception", PostgreSQL manual appendix A.
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'string' && /^22[0-9A-Z]{3}$/.test(code))
    words = words.replace(/".*"/s, '"…"');
  return words.slice(0, MAX_LOGGED_TEXT_LENGTH);
}
