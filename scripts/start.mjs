// `npm start`: checks Node, builds dist/ when it does not fit the sources, and runs the service in
// this same process, so that signals reach it directly: package.json says `exec`, because the shell
// that npm starts would keep them to itself. Plain JavaScript without dependencies: it has to run
// before anything is built, and to say in one sentence what is missing.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const main = join(dist, 'main.js');
const stampFile = join(dist, '.built-from');

await checkNode();
checkPackages();
await buildIfStale();
await import(pathToFileURL(main).href);

/** Before the build, whose tools would say something obscure. */
async function checkNode() {
  const place = existsSync(join(root, 'src')) ? 'src' : 'dist';
  await import(pathToFileURL(join(root, place, 'refuse-unsupported-node.js')).href);
}

function checkPackages() {
  if (!existsSync(join(root, 'node_modules'))) fail('The packages are missing: run npm ci first.');
}

async function buildIfStale() {
  // An image or archive without sources brings its dist/ along.
  if (!existsSync(join(root, 'src'))) return;
  const wanted = fingerprint();
  if (existsSync(main) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) {
    return;
  }
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(compiler)) {
    fail('Building needs the development packages: run npm ci without --omit=dev.');
  }
  console.error('Building …');
  // From nothing: a module whose source is gone must not stay.
  rmSync(dist, { recursive: true, force: true });
  const built = await runStep([compiler, '-p', 'tsconfig.build.json']);
  if (!built || !existsSync(main)) {
    // What was written beside the errors must not look like a build.
    rmSync(dist, { recursive: true, force: true });
    fail('The build failed; see above.');
  }
  // `npx messaging-service` runs this file; npm makes it executable once only, when it links it.
  chmodSync(join(dist, 'cli.js'), 0o755);
  if (!(await runStep([join(root, 'scripts', 'build-page.mjs')]))) {
    fail('The chat page could not be built; see above.');
  }
  mkdirSync(dist, { recursive: true });
  writeFileSync(stampFile, wanted);
}

/**
 * Whether this step of the build succeeded. Whoever stops the start stops it too: in a group of its
 * own, because the compiler is a process below the one that is started here.
 */
async function runStep(args) {
  const stop = (signal) => {
    try {
      // The compiler would finish its work first.
      if (step.pid !== undefined) process.kill(-step.pid, 'SIGKILL');
    } catch {
      // It has ended in this moment.
    }
    for (const name of STOP_SIGNALS) process.off(name, stop);
    process.kill(process.pid, signal);
  };
  // First: a signal that comes while the step is made is handled when it is there.
  for (const name of STOP_SIGNALS) process.on(name, stop);
  const step = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    detached: true,
  });
  try {
    const [code] = await once(step, 'close');
    return code === 0;
  } catch (error) {
    fail(`The build could not be run: ${error.message}.`);
  } finally {
    for (const name of STOP_SIGNALS) process.off(name, stop);
  }
}

/**
 * Names, sizes and times of all that the build reads. Compared for equality, not for age: a file
 * may be replaced by an older one, or removed.
 */
function fingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${relative(root, path)}\0${size}\0${mtimeMs}\n`);
  };
  const files = ['src', 'web'].flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name)),
  );
  for (const path of files.sort()) add(path);
  for (const name of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) {
    if (existsSync(join(root, name))) add(join(root, name));
  }
  return hash.digest('hex');
}

/** @returns {never} */
function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
