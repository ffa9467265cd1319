/** What the command line asks for; what it cannot mean is refused, not guessed. */
import { readdirSync } from 'node:fs';
import { cac } from 'cac';
import { BENCHES, type BenchName } from './benches/all.ts';
import { PRODUCT, TWO_NODES } from './harness/chat-run.ts';
import type { SuiteOptions } from './suite/suite.ts';

export type BenchOptions = Omit<SuiteOptions, 'services' | 'say'>;

const BASELINES = new URL('baselines/', import.meta.url);

/**
 * @param argv as `process.argv`
 * @returns null when help was asked for, and shown
 * @throws Error saying what is wrong
 */
export function readOptions(argv: readonly string[]): BenchOptions | null {
  const cli = cac('npm run bench --');
  cli.usage('[name …] [options]');
  cli.option('--quick', 'Few and short rounds: an impression, not a figure');
  cli.option('--tiny', 'As small as it gets: checks the benches themselves');
  cli.option('--rounds <n>', 'Rounds of each bench');
  cli.option('--only <subjects>', 'Only these subjects, with commas');
  cli.option('--runs <texts>', 'Only runs with one of these in their names, with commas');
  cli.option('--profile <dir>', 'Write CPU profiles of the servers there');
  cli.option('--at <ref>', 'Measure a git ref instead of the files as they are');
  cli.option('--compare <ref>', 'This tree against a git ref');
  cli.option('--no-write', 'Write no results');
  cli.help();
  // `npm run bench -- name -- --quick` hands on the second `--`: what follows are options too.
  const { args, options } = cli.parse(argv.filter((argument) => argument !== '--'));
  if (options.help === true) return null;
  cli.globalCommand.checkUnknownOptions();
  cli.globalCommand.checkOptionValue();
  const at = textOf(options.at, '--at');
  const compareWith = textOf(options.compare, '--compare');
  if (at !== null && at === compareWith) throw new Error(`${at} cannot be compared with itself.`);
  return {
    names: namesOf(args),
    size: options.tiny === true ? 'tiny' : options.quick === true ? 'quick' : 'full',
    rounds: roundsOf(options.rounds),
    only: subjectsOf(textOf(options.only, '--only')),
    runs: textOf(options.runs, '--runs')?.split(',') ?? null,
    compareWith,
    at,
    profileDir: textOf(options.profile, '--profile'),
    writeResults: options.write !== false && options.tiny !== true,
  };
}

function isBench(name: string): name is BenchName {
  return Object.hasOwn(BENCHES, name);
}

function namesOf(args: readonly string[]): BenchName[] {
  const unknown = args.filter((name) => !isBench(name));
  if (unknown.length > 0) {
    const known = Object.keys(BENCHES).join(', ');
    throw new Error(`There is no bench ${unknown.join(', ')}.\nThere are: ${known}.`);
  }
  return args.filter(isBench);
}

function textOf(value: unknown, option: string): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new Error(`${option} can be given once.`);
  }
  return String(value);
}

function roundsOf(value: unknown): number | null {
  if (value === undefined) return null;
  if (!Number.isInteger(value) || Number(value) < 1) {
    throw new Error(`--rounds must be a whole number from 1, and is ${String(value)}.`);
  }
  return Number(value);
}

function subjectsOf(text: string | null): string[] | null {
  if (text === null) return null;
  const baselines = readdirSync(BASELINES).map((file) => file.replace(/\.\w+$/, ''));
  const known = [PRODUCT, TWO_NODES, ...baselines];
  const subjects = text.split(',').map((subject) => subject.trim());
  const unknown = subjects.filter((subject) => !known.includes(subject));
  if (unknown.length > 0) {
    throw new Error(
      `--only: there is no subject ${unknown.join(', ')}.\n` +
        `There are ${PRODUCT}, ${TWO_NODES} and the programs of bench/baselines.`,
    );
  }
  return subjects;
}
