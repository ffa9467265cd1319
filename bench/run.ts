/**
 * The bench suite: `npm run bench [-- name …] [-- --quick]`. Without names all of them.
 *
 * DATABASE_URL names a PostgreSQL whose role may create databases (default the local one, else an
 * embedded one is started); REDIS_URL a Redis for the benches of several nodes.
 */
import { mkdirSync } from 'node:fs';
import { cac } from 'cac';
import { BENCHES, type BenchName } from './benches/all.ts';
import { findServices } from './harness/services.ts';
import { runBenches } from './harness/suite.ts';

const cli = cac('npm run bench --');
cli.usage('[name …] [options]');
cli.option('--quick', 'Few and short rounds: an impression, not a figure');
cli.option('--tiny', 'As small as it gets: checks the benches themselves');
cli.option('--rounds <n>', 'Rounds of each bench');
cli.option('--only <subjects>', 'Only these subjects, with commas');
cli.option('--profile <dir>', 'Write CPU profiles of the servers there');
cli.option('--at <ref>', 'Measure a git ref instead of the files as they are');
cli.option('--compare <ref>', 'This tree against a git ref');
cli.option('--no-write', 'Write no results');
cli.help();
const { args, options } = cli.parse();
if (options.help !== true) await main();

function isBench(name: string): name is BenchName {
  return Object.hasOwn(BENCHES, name);
}

async function main(): Promise<void> {
  const unknown = args.filter((name) => !isBench(name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no bench ${unknown.join(', ')}.\n`);
    process.stderr.write(`There are: ${Object.keys(BENCHES).join(', ')}.\n`);
    process.exitCode = 1;
    return;
  }
  const profileDir = typeof options.profile === 'string' ? options.profile : null;
  if (profileDir !== null) mkdirSync(profileDir, { recursive: true });
  const services = await findServices();
  try {
    const results = await runBenches({
      names: args.filter(isBench),
      size: options.tiny === true ? 'tiny' : options.quick === true ? 'quick' : 'full',
      rounds: options.rounds === undefined ? null : Number(options.rounds),
      only: options.only === undefined ? null : String(options.only).split(','),
      compareWith: options.compare === undefined ? null : String(options.compare),
      at: options.at === undefined ? null : String(options.at),
      profileDir,
      writeResults: options.write !== false && options.tiny !== true,
      services,
      say: (line) => void process.stdout.write(`${line}\n`),
    });
    if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    await services.stop();
  }
}
