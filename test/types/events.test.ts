/**
 * What a TypeScript client gets, as npm would put it there: `messaging-service/events` beside the service,
 * `messaging-service-events` without it. Nothing of the service's own packages is there to be found.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const COMPILE_TIMEOUT_MS = 120_000;
const PACKAGES = ['messaging-service/events', 'messaging-service-events'] as const;
/** What the stock client brings; npm would install it with the client. */
const STOCK_CLIENT = [
  'socket.io-client',
  'socket.io-parser',
  '@socket.io',
  'engine.io-client',
  'engine.io-parser',
];
const COMMON_JS = (name: string): string => `
  import type { Acknowledgement, MessagingSocket } from '${name}';
  import { io } from 'socket.io-client';
  const socket: MessagingSocket = io('http://localhost:3006');
  socket.on('new_message', (message) => message.seq.toFixed());
  // @ts-expect-error there is no such event
  socket.on('new_mesage', () => undefined);
  export type Joined = Acknowledgement<'join_conversation'>;`;

const run = promisify(execFile);
let place: string;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'messaging-types-'));
  const modules = join(place, 'node_modules');
  for (const name of ['messaging-service/packages/events', 'messaging-service-events']) {
    await mkdir(join(modules, name), { recursive: true });
    for (const file of ['index.d.mts', 'index.d.cts']) {
      await cp(join(ROOT, 'packages/events', file), join(modules, name, file));
    }
  }
  await cp(join(ROOT, 'package.json'), join(modules, 'messaging-service/package.json'));
  await cp(
    join(ROOT, 'packages/events/package.json'),
    join(modules, 'messaging-service-events/package.json'),
  );
  for (const name of STOCK_CLIENT) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  const sample = await readFile(new URL('client.sample.ts', import.meta.url), 'utf8');
  for (const [index, name] of PACKAGES.entries()) {
    await writeFile(join(place, `es-${index}.mts`), sample.replaceAll(PACKAGES[0], name));
    await writeFile(join(place, `common-${index}.cts`), COMMON_JS(name));
  }
  await writeFile(join(place, 'package.json'), '{}');
}, COMPILE_TIMEOUT_MS);
afterAll(() => rm(place, { recursive: true, force: true }));

async function complaints(options: readonly string[], files: readonly string[]): Promise<string> {
  const args = [TSC, '--noEmit', '--strict', '--target', 'es2023', ...options, ...files];
  return run(process.execPath, args, { cwd: place }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
}

const ES_MODULES = PACKAGES.map((_, index) => `es-${index}.mts`);
const BOTH_KINDS = [...ES_MODULES, ...PACKAGES.map((_, index) => `common-${index}.cts`)];

it.each([
  ['node16', ['--module', 'node16'], BOTH_KINDS],
  ['nodenext', ['--module', 'nodenext'], BOTH_KINDS],
  ['bundler', ['--module', 'esnext', '--moduleResolution', 'bundler'], ES_MODULES],
])(
  'types a stock client, and refuses what the service would: %s',
  async (_name, options, files) => {
    expect(await complaints(options, files)).toBe('');
  },
  COMPILE_TIMEOUT_MS,
);

it(
  'is not any',
  async () => {
    const sample = `import type { ServerToClientEvents } from '${PACKAGES[1]}';
    export const x: ServerToClientEvents = 1;`;
    await writeFile(join(place, 'any.mts'), sample);
    expect(await complaints(['--module', 'nodenext'], ['any.mts'])).toMatch(
      /Type 'number' is not assignable/,
    );
  },
  COMPILE_TIMEOUT_MS,
);
