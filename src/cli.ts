#!/usr/bin/env node
/**
 * The command line: `messaging-service migrate | serve | doctor`. Exit codes: 0 done (doctor: nothing
 * keeps the service from running), 1 it did not work, 2 the call was not understood.
 */
import './refuse-unsupported-node.js';
import { Command, CommanderError } from 'commander';
import { type Config, readConfig } from './config.ts';
import { examine, type Finding, report } from './doctor/doctor.ts';
import { loadDotEnv, packageVersion } from './package-facts.ts';
import { reasonOf } from './shared/reason.ts';
import { migrate } from './store/migrate.ts';

const USAGE_EXIT = 2;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function settings(): Config {
  loadDotEnv();
  return readConfig(process.env);
}

const program = new Command('messaging-service')
  .description('Realtime messaging: REST and Socket.IO on one port, stored in PostgreSQL.')
  .version(packageVersion())
  .showHelpAfterError()
  .addHelpText(
    'after',
    '\nSettings come from the environment and from .env; .env.example lists them.',
  )
  .exitOverride();

program
  .command('serve')
  .description('run the service (migrates first); SIGTERM drains and stops it')
  .action(async () => {
    // The process itself: it reads its settings and handles signals, as with `npm start`.
    await import('./main.ts');
  });

program
  .command('migrate')
  .description('bring the database at DATABASE_URL to the schema of this version')
  .action(async () => {
    const { url } = settings().database;
    if (url === null) {
      throw new Error(
        'DATABASE_URL is not set. The embedded PostgreSQL is migrated when the service starts.',
      );
    }
    const { applied } = await migrate({ databaseUrl: url, log: say });
    say(
      applied.length === 0
        ? 'Nothing to do: the schema is up to date.'
        : 'The schema is up to date.',
    );
  });

program
  .command('doctor')
  .description('look at what the service needs and say what is wrong; changes nothing')
  .option('--json', 'print the findings as JSON')
  .action(async ({ json }: { json?: boolean }) => {
    const findings = await findingsOf();
    say(json === true ? JSON.stringify(findings, null, 2) : report(findings));
    if (findings.some(({ verdict }) => verdict === 'problem')) process.exitCode = 1;
  });

/** Settings that are not understood are a finding too: the rest cannot be looked at then. */
async function findingsOf(): Promise<Finding[]> {
  let config: Config;
  try {
    config = settings();
  } catch (error) {
    const found = reasonOf(error);
    const advice = '.env.example says what each variable may be.';
    return found
      .split('\n')
      .map((line) => ({ subject: 'Settings', verdict: 'problem', found: line, advice }));
  }
  return examine(config);
}

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    // Help and version were asked for and end with 0; the rest has said on stderr what it is.
    process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT;
    return;
  }
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = 1;
});
