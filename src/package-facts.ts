/** What the process reads from the files it is started with: its package.json and a `.env`. */
import { readFileSync } from 'node:fs';

/** The version of this package, as in its package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return parsed && typeof parsed === 'object' && 'version' in parsed ? String(parsed.version) : '?';
}

/**
 * Takes the `.env` of the working directory into the environment, where there is one.
 *
 * @throws Error when it is there and cannot be read
 */
export function loadDotEnv(): void {
  try {
    process.loadEnvFile('.env');
  } catch (error) {
    // No such file is the usual case; the environment alone is fine.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
