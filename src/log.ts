/** The logger: pretty in a terminal, JSON otherwise, and never a secret or a message's text. */
import pino, { type Logger } from 'pino';

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

export function createLog(options: { level: string; pretty: boolean }): Logger {
  return pino({
    level: options.level,
    base: null,
    redact: { paths: REDACTED, censor: '[redacted]' },
    ...(options.pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss.l' } } }
      : { timestamp: pino.stdTimeFunctions.isoTime }),
  });
}
