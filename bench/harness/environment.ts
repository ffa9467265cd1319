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

export function describeEnvironment({
  postgresFacts,
  postgresDirectory,
}: Pick<Services, 'postgresFacts' | 'postgresDirectory'>): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: commit(),
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
    },
    postgres: postgresFacts,
    disk: measureDisk(postgresDirectory),
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'sql');
    return git('rev-parse', '--short=12', 'HEAD') + (changed === '' ? '' : ' and changes');
  } catch {
    return 'unknown'; // not a git checkout
  }
}

function versionOf(name: string): string {
  const text = readFileSync(`${ROOT}node_modules/${name}/package.json`, 'utf8');
  return String(Object(JSON.parse(text)).version);
}
