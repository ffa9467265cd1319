/** The logger: pretty in a terminal, JSON otherwise, and never a secret or a message's text. */
import pino, { type DestinationStream, type Logger, stdSerializers } from 'pino';

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

/** Fields of a PostgreSQL error that quote the row or the statement, and with them what people wrote. */
const QUOTING = ['detail', 'where', 'query', 'parameters', 'args', 'internal_query'];

/** As pino shows an error, with its causes, but for what PostgreSQL quotes. */
function withoutQuotes(error: unknown): unknown {
  const shown: unknown = error instanceof Error ? stdSerializers.errWithCause(error) : error;
  for (let at = shown; typeof at === 'object' && at !== null; at = Reflect.get(at, 'cause')) {
    for (const name of QUOTING) Reflect.deleteProperty(at, name);
  }
  return shown;
}

/** @param destination left out: standard output */
export function createLog(
  options: { level: string; pretty: boolean },
  destination?: DestinationStream,
): Logger {
  const settings = {
    level: options.level,
    base: null,
    redact: { paths: REDACTED, censor: '[redacted]' },
    serializers: { err: withoutQuotes },
    ...(options.pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss.l' } } }
      : { timestamp: pino.stdTimeFunctions.isoTime }),
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
