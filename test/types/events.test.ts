/** What `messaging-service/events` gives to a TypeScript client, from the declarations as built. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const COMPILE_TIMEOUT_MS = 120_000;

const run = promisify(execFile);
let place: string;

/** A project with the package as npm would put it there: its package.json and its declarations. */
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'messaging-types-'));
  const installed = join(place, 'node_modules', 'messaging-service');
  await mkdir(installed, { recursive: true });
  await symlink(join(ROOT, 'package.json'), join(installed, 'package.json'));
  for (const name of [
    'socket.io-client',
    '@sinclair',
    'socket.io-parser',
    '@socket.io',
    'engine.io-client',
    'engine.io-parser',
  ]) {
    await symlink(join(ROOT, 'node_modules', name), join(place, 'node_modules', name));
  }
  await run(process.execPath, [
    TSC,
    '-p',
    join(ROOT, 'tsconfig.build.json'),
    '--emitDeclarationOnly',
    '--outDir',
    join(installed, 'dist'),
  ]);
  await writeFile(join(place, 'package.json'), '{"type":"module"}');
}, COMPILE_TIMEOUT_MS);
afterAll(() => rm(place, { recursive: true, force: true }));

async function complaints(sample: string): Promise<string> {
  await writeFile(join(place, 'sample.ts'), sample);
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext'];
  return run(process.execPath, [TSC, ...options, 'sample.ts'], { cwd: place }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
}

it(
  'types a stock client, and refuses what the service would',
  async () => {
    const sample = await readFile(new URL('client.sample.ts', import.meta.url), 'utf8');
    expect(await complaints(sample)).toBe('');
  },
  COMPILE_TIMEOUT_MS,
);

it(
  'is not any',
  async () => {
    const sample = `import { ServerToClientEvents } from 'messaging-service/events';
    export const x: ServerToClientEvents = 1;`;
    expect(await complaints(sample)).toMatch(/Type 'number' is not assignable/);
  },
  COMPILE_TIMEOUT_MS,
);
