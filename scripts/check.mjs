/**
 * `npm run check`: everything that is checked without running the service, as many at a time as there
 * are processors. All of them run to their ends, and what a failed one has said is shown; the exit code
 * is 0 only when none failed.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Commands as in package.json: `npm run` puts the tools of this project on the path. */
const CHECKS = [
  'biome check .',
  'tsc --noEmit',
  'knip --no-progress',
  'npm run -s check:package',
  'vitest run test/tidy',
  'tsc --noEmit -p web',
];

const waiting = [...CHECKS];
await Promise.all(Array.from({ length: availableParallelism() }, work));

async function work() {
  for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
    const startedAt = performance.now();
    const { passed, output } = await run(command);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${passed ? 'passed' : 'FAILED'}  ${command} (${seconds} s)\n`);
    if (passed) continue;
    process.stdout.write(output);
    process.exitCode = 1;
  }
}

/**
 * @param {string} command
 * @returns {Promise<{ passed: boolean, output: string }>}
 */
function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ passed: code === 0, output }));
  });
}
