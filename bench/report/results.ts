/** Result files: `<bench>-<date>.json`, one for each run of a bench. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../harness/environment.ts';
import type { BenchResult } from '../harness/result.ts';

export const RESULTS = fileURLToPath(new URL('../results', import.meta.url));
/** Of quick runs: not kept in the repository. */
export const PASSING_RESULTS = join(RESULTS, 'tmp');

export interface Stored {
  size: string;
  environment: Environment;
  result: BenchResult;
}

export function storeResult(directory: string, stored: Stored): string {
  mkdirSync(directory, { recursive: true });
  const stamp = stored.environment.date.slice(0, 19).replaceAll(/[:T]/g, '-');
  const file = `${stored.result.name}-${stamp}.json`;
  writeFileSync(join(directory, file), `${JSON.stringify(stored, null, 1)}\n`);
  return file;
}

/** The newest result of each bench that is there. */
export function latestResults(directory: string, names: readonly string[]): Stored[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return names.flatMap((name) => {
    const pattern = new RegExp(`^${name}-\\d{4}-\\d\\d-\\d\\d-\\d\\d-\\d\\d-\\d\\d\\.json$`);
    const newest = files
      .filter((file) => pattern.test(file))
      .sort()
      .at(-1);
    if (newest === undefined) return [];
    // Written by `storeResult` of this program or an older one: believed.
    const stored: Stored = JSON.parse(readFileSync(join(directory, newest), 'utf8'));
    return [stored];
  });
}
