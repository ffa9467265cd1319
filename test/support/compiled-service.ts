// vitest globalSetup of the project "processes": compiles the service once, as `npm run build` does. Its
// tests start it about a hundred times, and from sources each start would take another second.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What the compiled service finds beside its own directory. */
const BESIDE = ['package.json', 'sql', 'node_modules'];

declare module 'vitest' {
  export interface ProvidedContext {
    /** The directory with the compiled `main.js` and `cli.js`, for tests of the project "processes". */
    compiledService: string | undefined;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const root = await mkdtemp(join(tmpdir(), 'messaging-test-compiled-'));
  const remove = () => rm(root, { recursive: true, force: true });
  const compiled = join(root, 'dist');
  try {
    await mkdir(compiled);
    for (const name of BESIDE) await symlink(join(ROOT, name), join(root, name));
    // The page, which some tests build, before or after this.
    await symlink(join(ROOT, 'dist', 'web'), join(compiled, 'web'));
    await compile(compiled);
  } catch (error) {
    await remove();
    throw error;
  }
  project.provide('compiledService', compiled);
  return remove;
}

/** Types are the business of `npm run check`. */
async function compile(directory: string): Promise<void> {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const project = join(ROOT, 'tsconfig.build.json');
  const options = ['--noCheck', '--declaration', 'false', '--outDir', directory];
  await promisify(execFile)(process.execPath, [compiler, '-p', project, ...options]);
}
