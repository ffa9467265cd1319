/**
 * Looks at both packages as npm would pack them (`publint`, `attw`), and whether the types for clients
 * are those of the schemas. What is built is stood in for by files of the same names, so that it takes
 * seconds; `test/package/` packs and starts the real thing.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EVENT_TYPE_FILES, eventTypes } from './event-types.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EVENTS = join(ROOT, 'packages/events');
/** Only resolution as Node and bundlers do it now: both packages have `exports` and nothing else. */
const PROFILE = ['--profile', 'node16', '--no-emoji', '--no-color'];

const run = promisify(execFile);
const place = mkdtempSync(join(tmpdir(), 'messaging-package-'));

/** The service's package with its real package.json, and what is built stood in for. */
function standIn(): string {
  const directory = join(place, 'service');
  const facts = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  mkdirSync(join(directory, 'dist/web'), { recursive: true });
  // Nothing is to be built, and nothing is to be run.
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...facts, scripts: {} }));
  const [firstLine] = readFileSync(join(ROOT, 'src/cli.ts'), 'utf8').split('\n');
  writeFileSync(join(directory, 'dist/cli.js'), `${firstLine}\n`, { mode: 0o755 });
  for (const name of ['sql', 'packages', 'README.md', 'LICENSE']) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true });
  }
  return directory;
}

async function complaintsAbout(directory: string): Promise<string[]> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', place], {
    cwd: directory,
  });
  const packed = Object.values<{ filename: string }>(JSON.parse(stdout));
  const tarball = join(place, packed[0]?.filename ?? '');
  const tools = [
    ['publint', 'run', tarball, '--strict'],
    ['attw', tarball, ...PROFILE],
  ];
  const answers = await Promise.all(
    tools.map(([tool = '', ...args]) =>
      run(join(ROOT, 'node_modules/.bin', tool), args).then(
        () => [],
        (error: { stdout: string; stderr: string }) => [`${error.stdout}${error.stderr}`],
      ),
    ),
  );
  return answers.flat();
}

try {
  const stale = EVENT_TYPE_FILES.filter(
    (name) => readFileSync(join(EVENTS, name), 'utf8') !== eventTypes(),
  );
  const complaints = [
    ...stale.map((name) => `packages/events/${name} is not what npm run types:events writes.`),
    ...(await Promise.all([standIn(), EVENTS].map(complaintsAbout))).flat(),
  ];
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
