/** A real PgBouncer with its defaults before a PostgreSQL, on a free port and a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { waitFor } from './wait.ts';

export interface PgBouncer {
  /** The URL of the same database through it. */
  url: string;
  stop(): Promise<void>;
}

/** Starts it before the database at `databaseUrl`. @param settings others than its defaults */
export async function startPgBouncer(
  binary: string,
  databaseUrl: string,
  mode: 'session' | 'transaction' | 'statement',
  settings: Record<string, string | number> = {},
): Promise<PgBouncer> {
  const place = await mkdtemp(join(tmpdir(), 'messaging-pgbouncer-'));
  const target = new URL(databaseUrl);
  const port = await freePort();
  const password = decodeURIComponent(target.password);
  const user = decodeURIComponent(target.username);
  await writeFile(
    join(place, 'pgbouncer.ini'),
    `[databases]
* = host=${target.hostname} port=${target.port || 5432} user=${user}${password === '' ? '' : ` password=${password}`}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
${Object.entries(settings)
  .map(([name, value]) => `${name} = ${value}\n`)
  .join('')}`,
  );
  await chmod(place, 0o755);
  // It does not run as root.
  const account = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child: ChildProcess = spawn(binary, [...account, join(place, 'pgbouncer.ini')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  child.stderr?.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  await waitFor(() => child.exitCode !== null || isListening(port), { what: 'PgBouncer' });
  if (child.exitCode !== null) throw new Error(`PgBouncer has ended: ${output}`);
  const through = new URL(databaseUrl);
  through.hostname = '127.0.0.1';
  through.port = String(port);
  return {
    url: through.href,
    async stop() {
      child.kill('SIGKILL');
      await ended;
      await rm(place, { recursive: true, force: true });
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
