/** What every baseline does alike: says where it listens, and ends when told to. */

export function announce(port: number): void {
  process.stdout.write(`baseline listens on http://localhost:${port}\n`);
}

process.on('SIGTERM', () => process.exit(0));
