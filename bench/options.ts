/** What the command line asks for; what it cannot mean is refused, not guessed. */
import { readdirSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { BENCHES, type BenchName } from './benches/all.ts';
import { PRODUCT, TWO_NODES } from './harness/chat-run.ts';
import type { SuiteOptions } from './suite/suite.ts';

export type BenchOptions = Omit<SuiteOptions, 'services' | 'say'>;

interface Given {
  quick?: true;
  tiny?: true;
  rounds?: string;
  only?: string;
  runs?: string;
  profile?: string;
  at?: string;
  compare?: string;
  write: boolean;
}

const BASELINES = new URL('baselines/', import.meta.url);

/**
 * @param argv as `process.argv`
 * @returns null when help was asked for, and shown
 * @throws Error saying what is wrong
 */
export function readOptions(argv: readonly string[]): BenchOptions | null {
  const cli = new Command('npm run bench --')
    .argument('[name...]', 'benches; all of them when none is named')
    .option('--quick', 'few and short rounds: an impression, not a figure')
    .option('--tiny', 'as small as it gets: checks the benches themselves')
    .option('--rounds <n>', 'rounds of each bench', once('--rounds'))
    .option('--only <subjects>', 'only these subjects, with commas', once('--only'))
    .option(
      '--runs <texts>',
      'only runs with one of these in their names, with commas',
      once('--runs'),
    )
    .option('--profile <dir>', 'write CPU profiles of the servers there', once('--profile'))
    .option('--at <ref>', 'measure a git ref instead of the files as they are', once('--at'))
    .option('--compare <ref>', 'this tree against a git ref', once('--compare'))
    .option('--no-write', 'write no results')
    // What is wrong is thrown, and said by whoever called.
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  try {
    // `npm run bench -- name -- --quick` hands on the second `--`: what follows are options too.
    cli.parse(argv.filter((argument) => argument !== '--'));
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return null;
    throw error;
  }
  const { args } = cli;
  const options = cli.opts<Given>();
  const at = options.at ?? null;
  const compareWith = options.compare ?? null;
  if (at !== null && at === compareWith) throw new Error(`${at} cannot be compared with itself.`);
  return {
    names: namesOf(args),
    size: options.tiny === true ? 'tiny' : options.quick === true ? 'quick' : 'full',
    rounds: roundsOf(options.rounds),
    only: subjectsOf(options.only ?? null),
    runs: options.runs?.split(',') ?? null,
    compareWith,
    at,
    profileDir: options.profile ?? null,
    writeResults: options.write && options.tiny !== true,
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

/** The parser of an option of which a second would silently replace the first. */
function once(option: string): (value: string, before: string | undefined) => string {
  return (value, before) => {
    if (before !== undefined) throw new Error(`${option} can be given once.`);
    return value;
  };
}

function roundsOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new Error(`--rounds must be a whole number from 1, and is ${text}.`);
  }
  return Number(text);
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
