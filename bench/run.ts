/**
 * The bench suite: `npm run bench [-- name …] [-- --quick]`. Without names all of them.
 *
 * DATABASE_URL names a PostgreSQL whose role may create databases (default the local one, else an
 * embedded one is started); REDIS_URL a Redis for the benches of several nodes. ejabberd is compared
 * with where Debian's package is installed.
 */
import { mkdirSync } from 'node:fs';
import { interrupt } from './harness/child.ts';
import { HOW_TO_GET_EJABBERD } from './harness/ejabberd.ts';
import { findServices } from './harness/services.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { runBenches } from './suite/suite.ts';

const SAME_SIGNAL_MS = 1_000;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

try {
  const options = readOptions(process.argv);
  if (options !== null) await main(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main(options: BenchOptions): Promise<void> {
  onInterruption(() => {
    process.stderr.write('\nInterrupted: cleaning up.\n');
    interrupt();
  });
  if (options.profileDir !== null) mkdirSync(options.profileDir, { recursive: true });
  const services = await findServices();
  try {
    if (services.redisUrl === null) {
      say('No Redis (REDIS_URL, or the local one): what needs several nodes is left out.');
    }
    if (services.ejabberd === null) say(`No ejabberd (${HOW_TO_GET_EJABBERD}): it is left out.`);
    const results = await runBenches({ ...options, services, say });
    if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
  } finally {
    await services.stop();
  }
}

/** A second signal ends the process as it is; the next run drops what it left on the server. */
function onInterruption(cleanUp: () => void): void {
  let firstAt: number | null = null;
  const onSignal = (): void => {
    if (firstAt === null) {
      firstAt = performance.now();
      cleanUp();
      // A terminal, npm and tsx may each hand on the same one.
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(1);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}
