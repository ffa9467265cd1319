// Everything that services write while the suite runs is kept in one folder, beside what must not be in
// it; at the end of the run search-logs.ts looks through all of it. Whoever starts a service in a test
// keeps its log here.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where this run keeps the logs of the services it starts. */
    logDirectory: string;
  }
}

/** What is noted down for the search, a line of JSON each. */
export type Note =
  | {
      /** A log that must be there, and hold this: else it was not kept, and finding nothing means nothing. */
      log: string;
      holds: string;
    }
  | { secret: string };

/** Shorter ones would be found by chance. Tests use none. */
export const MIN_SECRET_LENGTH = 8;
/** What people wrote is only looked for when it is long enough to be nothing else. */
const MIN_CONTENT_LENGTH = 16;

let logs = 0;
const noted = new Set<string>();

function note(line: Note): void {
  appendFileSync(join(inject('logDirectory'), `${process.pid}.notes`), `${JSON.stringify(line)}\n`);
}

/** A log of a service with these settings, which are secrets in part. */
export function keepLog(env: Readonly<Record<string, string>>) {
  logs += 1;
  const name = `${process.pid}-${logs}.log`;
  const path = join(inject('logDirectory'), name);
  for (const secret of secretsIn(env)) noteSecret(secret);
  return {
    write: (text: string) => appendFileSync(path, text),
    /** From now on this text is in it. */
    mustHold: (text: string) => note({ log: name, holds: text }),
  };
}

/** No log may hold this text. */
export function noteSecret(secret: string): void {
  if (secret.length < MIN_SECRET_LENGTH) throw new Error(`The secret ${secret} is too short.`);
  if (noted.has(secret)) return;
  noted.add(secret);
  note({ secret });
}

/** What somebody writes to somebody, wherever it stands in what is sent. */
export function noteContent(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || !('content' in payload)) return;
  const { content } = payload;
  if (typeof content === 'string' && content.length >= MIN_CONTENT_LENGTH) noteSecret(content);
}

/** The settings that are keys or passwords, or have one in them. */
function secretsIn(env: Readonly<Record<string, string>>): string[] {
  const listed = `${env.JWT_SECRET ?? ''}\n${env.METRICS_TOKEN ?? ''}\n${(env.SERVICE_TOKENS ?? '').replaceAll(',', '\n')}`;
  const passwords = [env.DATABASE_URL, env.REDIS_URL].map((url = '') =>
    URL.canParse(url) ? decodeURIComponent(new URL(url).password) : '',
  );
  return [...listed.split('\n').map((text) => text.trim()), ...passwords].filter(
    (secret) => secret.length >= MIN_SECRET_LENGTH,
  );
}
