/** Runs benches one after another: builds what is measured, shows progress, keeps the results. */
import { relative } from 'node:path';
import { BENCHES, type BenchName } from '../benches/all.ts';
import { writeReport } from '../report/report.ts';
import { PASSING_RESULTS, RESULTS, storeResult } from '../report/results.ts';
import type { BenchContext, Size } from './context.ts';
import { describeEnvironment } from './environment.ts';
import { createProgress } from './progress.ts';
import type { BenchResult } from './result.ts';
import type { Services } from './services.ts';
import { printResult } from './table.ts';
import { prepareTree } from './tree.ts';

export interface SuiteOptions {
  /** None: all. */
  names: readonly BenchName[];
  size: Size;
  rounds: number | null;
  only: readonly string[] | null;
  compareWith: string | null;
  profileDir: string | null;
  writeResults: boolean;
  services: Services;
  say?: (line: string) => void;
}

const ROUNDS: Record<Size, number> = { tiny: 1, quick: 2, full: 5 };

/** @returns whether any run failed */
export async function runBenches(options: SuiteOptions): Promise<boolean> {
  const say = options.say ?? ((line: string) => process.stdout.write(`${line}\n`));
  const { size, services, only, profileDir } = options;
  const names = options.names.length > 0 ? options.names : (Object.keys(BENCHES) as BenchName[]);
  const results: BenchResult[] = [];
  const environment = describeEnvironment(services.postgresFacts);
  // Only full runs are worth keeping.
  const directory = size === 'full' ? RESULTS : PASSING_RESULTS;
  const tree = prepareTree();
  try {
    for (const name of names) {
      const progress = createProgress(name);
      const context: BenchContext = {
        tree,
        serverUrl: services.postgresUrl,
        redisUrl: services.redisUrl,
        size,
        rounds: options.rounds ?? ROUNDS[size],
        pick: (choices) => choices[size],
        wants: (subject) => only === null || only.includes(subject),
        profileDir,
        step: progress.step,
        expect: progress.expect,
      };
      try {
        const result = await BENCHES[name](context);
        progress.end();
        results.push(result);
        printResult(result, say);
        if (options.writeResults) storeResult(directory, { size, environment, result });
      } catch (error) {
        progress.end();
        const text = error instanceof Error ? error.message : String(error);
        results.push({
          name,
          title: 'did not run',
          settings: {},
          samples: [],
          findings: [],
          failures: [text],
        });
        say(`FAILED ${name}: ${text}`);
      }
    }
  } finally {
    tree.remove();
  }
  if (options.writeResults && results.length > 0) {
    say(`\nReport: ${relative(process.cwd(), await writeReport(directory, Object.keys(BENCHES)))}`);
  }
  return results.some(({ failures }) => failures.length > 0);
}
