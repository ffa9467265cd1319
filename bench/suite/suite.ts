/** Runs benches one after another: builds what is measured, shows progress, keeps the results. */
import { relative } from 'node:path';
import { BENCHES, type BenchName } from '../benches/all.ts';
import { interrupted } from '../harness/child.ts';
import type { BenchContext, Size } from '../harness/context.ts';
import { dropTemplates } from '../harness/database.ts';
import { describeEnvironment } from '../harness/environment.ts';
import { createProgress } from '../harness/progress.ts';
import type { BenchResult } from '../harness/result.ts';
import type { Services } from '../harness/services.ts';
import { printResult } from '../harness/table.ts';
import { prepareTree, type Tree } from '../harness/tree.ts';
import { cpuMsOf } from '../load/proc.ts';
import { writeReport } from '../report/report.ts';
import { PASSING_RESULTS, RESULTS, storeResult } from '../report/results.ts';
import { compareTrees } from './compare.ts';

export interface SuiteOptions {
  /** None: all. */
  names: readonly BenchName[];
  size: Size;
  /** null: as many as the size has. */
  rounds: number | null;
  /** Only these subjects; null: all. */
  only: readonly string[] | null;
  /** Only runs with one of these texts in their names; null: all. */
  runs: readonly string[] | null;
  /** A git ref to measure instead of the files as they are. */
  at: string | null;
  /** A git ref; null: the product beside its baselines. */
  compareWith: string | null;
  profileDir: string | null;
  writeResults: boolean;
  services: Services;
  say(line: string): void;
}

const ROUNDS: Record<Size, number> = { tiny: 1, quick: 2, full: 5 };

/** Nothing that throws stops the benches after it: it is a failed result. */
export async function runBenches(options: SuiteOptions): Promise<BenchResult[]> {
  const { size, services, say } = options;
  const all = Object.keys(BENCHES) as BenchName[];
  const names = options.names.length > 0 ? options.names : all;
  if (cpuMsOf(process.pid) === 0) {
    throw new Error('CPU time is read from /proc/<pid>/task/*/schedstat of Linux: it says nothing');
  }
  const directory = isWorthKeeping(options) ? RESULTS : PASSING_RESULTS;
  const results: BenchResult[] = [];
  const trees: Tree[] = [];
  try {
    const environment = describeEnvironment(services, options.at);
    const tree = prepareTree(options.at ?? undefined);
    trees.push(tree);
    const then = options.compareWith === null ? null : prepareTree(options.compareWith);
    if (then !== null) trees.push(then);
    for (const name of names) {
      if (interrupted.aborted) break;
      const progress = createProgress(name);
      const context = contextOf(options, tree, progress);
      const running =
        then === null ? BENCHES[name](context) : compareTrees(context, name, { now: tree, then });
      const result = await running.catch((error: unknown) => notRun(name, error));
      progress.end();
      if (result.samples.length === 0 && result.failures.length === 0) {
        result.failures.push(nothingMeasured(options));
      }
      results.push(result);
      printResult(result, say);
      if (options.writeResults && !interrupted.aborted)
        storeResult(directory, { size, environment, result });
    }
  } finally {
    await dropTemplates(services.postgresUrl);
    for (const tree of trees) tree.remove();
  }
  if (options.writeResults && options.compareWith === null && !interrupted.aborted) {
    say(`\nReport: ${relative(process.cwd(), await writeReport(directory, all))}`);
  }
  return results;
}

/** Whole runs as the size has them: a part of one, or one that was profiled, is no figure. */
function isWorthKeeping({ size, rounds, only, runs, profileDir }: SuiteOptions): boolean {
  return (
    size === 'full' &&
    (rounds === null || rounds >= ROUNDS.full) &&
    only === null &&
    runs === null &&
    profileDir === null
  );
}

function nothingMeasured({ only, runs, services }: SuiteOptions): string {
  if (runs !== null) return `nothing was measured: no run has ${runs.join(' or ')} in its name`;
  if (only !== null) return `nothing was measured: none of ${only.join(', ')} is part of it`;
  return services.redisUrl === null
    ? 'nothing was measured: it needs a Redis (REDIS_URL)'
    : 'nothing was measured';
}

function contextOf(
  { size, services, rounds, only, runs, profileDir }: SuiteOptions,
  tree: Tree,
  { step, expect }: Pick<BenchContext, 'step' | 'expect'>,
): BenchContext {
  return {
    tree,
    serverUrl: services.postgresUrl,
    redisUrl: services.redisUrl,
    ejabberd: services.ejabberd,
    size,
    rounds: rounds ?? ROUNDS[size],
    pick: (choices) => choices[size],
    wantsRun: (name) => runs === null || runs.some((text) => name.includes(text)),
    wants: (subject) => only === null || only.includes(subject),
    profileDir,
    step,
    expect,
  };
}

function notRun(name: string, error: unknown): BenchResult {
  const text = error instanceof Error ? error.message : String(error);
  return {
    name,
    title: 'did not run',
    settings: {},
    samples: [],
    findings: [],
    failures: [text],
  };
}
