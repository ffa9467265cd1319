/**
 * A tree to measure: a copy of the sources (as they are, or of a git ref) in a directory of its own,
 * built there. What is measured cannot change under the measurement.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commitOf } from './environment.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = ['src', 'sql', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
const LOCKFILE = 'package-lock.json';
const BENCH = [
  'bench/load',
  'bench/baselines',
  'bench/programs/codec.ts',
  'bench/harness/probe.mjs',
  'bench/tsconfig.json',
];

export interface Tree {
  /** `this tree`, or the ref. */
  name: string;
  /** The product's entry point, built. */
  product: string;
  /** A baseline's or the load generator's entry point, built. */
  script(name: string): string;
  /** The module that is loaded before a server of the tree. */
  probe: string;
  /** Where the product's own files are; migrations are read from there. */
  directory: string;
  remove(): void;
}

/**
 * @param ref a git ref whose product is wanted; left out: the files as they are. Load generator and
 *   baselines are always those of now.
 * @throws Error with the compiler's output when it does not build
 */
export function prepareTree(ref?: string): Tree {
  const directory = mkdtempSync(join(tmpdir(), 'messaging-bench-'));
  try {
    if (ref === undefined) {
      for (const name of SOURCES) {
        cpSync(join(ROOT, name), join(directory, name), { recursive: true });
      }
    } else {
      unpack(ref, SOURCES, directory);
      installPackages(ref, directory);
    }
    mkdirSync(join(directory, 'bench'));
    for (const name of BENCH) cpSync(join(ROOT, name), join(directory, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    compile(directory, 'tsconfig.build.json');
    compile(directory, 'bench/tsconfig.json');
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    name: ref ?? 'this tree',
    directory,
    product: join(directory, 'dist/main.js'),
    script: (name) => join(directory, 'dist-bench/bench', name),
    probe: join(directory, 'bench/harness/probe.mjs'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function unpack(ref: string, names: readonly string[], directory: string): void {
  const archive = execFileSync('git', ['archive', commitOf(ref), ...names], {
    cwd: ROOT,
    maxBuffer: 256 * 1024 * 1024,
  });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
}

/**
 * Gives the product of a ref the packages it was made with, where they are others than those of now: beside its
 * compiled files, so that what is of now (load generator, baselines, compiler) does not find them.
 */
function installPackages(ref: string, directory: string): void {
  const place = join(directory, 'dist');
  mkdirSync(place);
  unpack(ref, ['package.json', LOCKFILE], place);
  if (!readFileSync(join(place, LOCKFILE)).equals(readFileSync(join(ROOT, LOCKFILE)))) {
    const options = [
      '--omit=dev',
      '--omit=optional',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
    ];
    execFileSync('npm', ['ci', ...options], { cwd: place, stdio: 'pipe' });
  }
  // What says how its compiled files are to be read is above.
  for (const name of ['package.json', LOCKFILE]) rmSync(join(place, name));
}

/** Without a look at types: they are `npm run check`'s business, and those of another ref may not fit. */
function compile(directory: string, config: string): void {
  const compiler = join(directory, 'node_modules/typescript/bin/tsc');
  const options = ['--noCheck', '--declaration', 'false', '-p', config];
  try {
    execFileSync(process.execPath, [compiler, ...options], {
      cwd: directory,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`${config} does not build:\n${output}`, { cause: error });
  }
}
