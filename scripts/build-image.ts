/**
 * Carries the Dockerfile out on the machine it runs on, which must be what the Dockerfile starts from,
 * and leaves the image's files in the image's place: `/app`, owned by root. It removes what was there,
 * so it is for a throw-away root: `scripts/production-platform.sh` calls it in one.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Copy, parseDockerfile, type Stage } from './dockerfile.ts';

const CONTEXT = fileURLToPath(new URL('..', import.meta.url));
/** Where the files of a finished stage are kept for those that copy from it. */
const STAGES = '/stages';

const allowed = readFileSync(join(CONTEXT, '.dockerignore'), 'utf8')
  .split('\n')
  .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));

const stages = parseDockerfile(readFileSync(join(CONTEXT, 'Dockerfile'), 'utf8'));
rmSync(STAGES, { recursive: true, force: true });
mkdirSync(STAGES);
for (const stage of stages) {
  const { base, name, workingDirectory } = stage;
  checkBase(base);
  rmSync(workingDirectory, { recursive: true, force: true });
  mkdirSync(workingDirectory, { recursive: true });
  for (const step of stage.steps) {
    if (step.kind === 'COPY') copy(step, workingDirectory);
    else run(step.command, stage);
  }
  if (stage !== stages.at(-1)) renameSync(workingDirectory, join(STAGES, name));
}

/** The image the Dockerfile starts from is this Node on this Debian. */
function checkBase(base: string): void {
  const release = readFileSync('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? 'unknown';
  const here = `node:${process.versions.node.split('.')[0]}-${codename}-slim`;
  if (here !== base) throw new Error(`The Dockerfile starts from ${base}, and this is ${here}.`);
}

function copy({ from, sources, destination }: Copy, workingDirectory: string): void {
  for (const source of sources) {
    if (
      from === null &&
      !allowed.some((path) => source === path || source.startsWith(`${path}/`))
    ) {
      throw new Error(`.dockerignore leaves out what the Dockerfile copies: ${source}`);
    }
    const path =
      from === null ? join(CONTEXT, source) : source.replace(workingDirectory, join(STAGES, from));
    const target = resolve(workingDirectory, destination);
    const intoDirectory = destination.endsWith('/') && !statSync(path).isDirectory();
    cpSync(path, intoDirectory ? join(target, basename(path)) : target, { recursive: true });
  }
}

function run(command: string, { name, environment, workingDirectory }: Stage): void {
  const start = performance.now();
  const { status } = spawnSync('sh', ['-c', command], {
    cwd: workingDirectory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  console.log(`   ${name}: ${command.slice(0, 60)} … (${seconds} s)`);
  if (status !== 0) throw new Error(`RUN ended with ${status}: ${command}`);
}
