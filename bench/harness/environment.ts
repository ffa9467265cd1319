/** Where and what was measured: the machine, the commit, the versions. No names, no paths. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Static, Type } from '@sinclair/typebox';
import { measureDisk } from './disk.ts';
import type { Services } from './services.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GIB = 2 ** 30;
const PACKAGES = [
  'uWebSockets.js',
  'fastify',
  'postgres',
  'ioredis',
  'socket.io',
  'ws',
  'express',
  'pg',
];

export const Environment = Type.Object({
  date: Type.String(),
  commit: Type.String(),
  machine: Type.Record(Type.String(), Type.String()),
  versions: Type.Record(Type.String(), Type.String()),
  postgres: Type.Record(Type.String(), Type.String()),
  disk: Type.Record(Type.String(), Type.String()),
});
export type Environment = Static<typeof Environment>;

/**
 * @param ref the git ref that is measured; null: the files as they are
 * @throws Error when there is no such ref
 */
export function describeEnvironment(
  {
    postgresFacts,
    postgresDirectory,
    ejabberd,
  }: Pick<Services, 'postgresFacts' | 'postgresDirectory' | 'ejabberd'>,
  ref: string | null,
): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: ref === null ? commit() : commitOf(ref),
    machine: {
      processor: processors[0]?.model ?? 'unknown',
      cores: String(processors.length),
      memory: `${(totalmem() / GIB).toFixed(0)} GiB`,
      kernel: `${process.platform} ${release()}`,
      // Above 0 before anything was started: somebody else was at work too.
      load_before: (loadavg()[0] ?? 0).toFixed(1),
    },
    versions: {
      node: process.version,
      ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
      ...(ejabberd === null ? {} : { ejabberd: ejabberd.version }),
    },
    postgres: postgresFacts,
    disk: measureDisk(postgresDirectory),
  };
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
}

/**
 * The commit that a git ref names.
 *
 * @throws Error when there is none
 */
export function commitOf(ref: string): string {
  try {
    return git(
      'rev-parse',
      '--verify',
      '--quiet',
      '--short=12',
      '--end-of-options',
      `${ref}^{commit}`,
    );
  } catch (error) {
    throw new Error(`There is no commit ${ref}.`, { cause: error });
  }
}

/** What makes a figure: the product, its dependencies, and those who measure it. */
const SOURCES = ['src', 'sql', 'bench', 'package.json', 'package-lock.json'];
/** Files that lie among the sources and are none. */
const NOT_SOURCES = [':!bench/results', ':!*.md'];

function commit(): string {
  try {
    const changed = git('status', '--porcelain', '--', ...SOURCES, ...NOT_SOURCES);
    return commitOf('HEAD') + (changed === '' ? '' : ' and changes');
  } catch {
    return 'unknown'; // not a git checkout
  }
}

function versionOf(name: string): string {
  const text = readFileSync(`${ROOT}node_modules/${name}/package.json`, 'utf8');
  return String(Object(JSON.parse(text)).version);
}
