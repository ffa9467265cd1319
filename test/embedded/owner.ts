// A process that owns an embedded PostgreSQL, for tests that end such a process in bad ways:
// `owner.ts <module> <dataDir> <stay|exit>` prints one line of JSON, then stays or exits at once.

import type * as embedded from '../../src/embedded/embedded-postgres.ts';

const [modulePath = '', dataDir = '', then] = process.argv.slice(2);
const { startEmbeddedPostgres }: typeof embedded = await import(modulePath);

try {
  const { url, pid } = await startEmbeddedPostgres({
    dataDir,
    log: () => undefined,
    stopTimeoutMs: 10_000,
  });
  // A service that drains does not end at once; nor before the line that says that it is there.
  if (then === 'stay') process.on('SIGINT', () => undefined);
  process.stdout.write(`${JSON.stringify({ url, pid })}\n`);
  if (then === 'stay') setInterval(() => undefined, 60_000);
  else process.exit(0);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
  process.exitCode = 1;
}
