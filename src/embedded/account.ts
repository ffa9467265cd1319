// PostgreSQL refuses to run as root. When the service is root, the database runs as the owner of
// its files, else as the user `postgres`, which is created where it is missing.

import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { ACCOUNT_COMMAND_MS } from '../bounds/embedded.ts';
import { EmbeddedPostgresError } from './errors.ts';

const run = promisify(execFile);

const USER = 'postgres';
/** Fixed, so that nothing depends on the caller's shell; Debian's and macOS' places. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** How to start a program under the database's account. */
export interface Account {
  /** Set when the service is root: the files of the cluster belong to them. */
  ids?: { uid: number; gid: number };
  /** The command that runs `program` with `args`; pass `spawnIds` to spawn. */
  command(program: string, args: string[]): { file: string; args: string[] };
  spawnIds: { uid?: number; gid?: number };
}

/**
 * Chooses the account.
 *
 * @param clusterDir the database files; their owner is taken when they exist
 * @param mustReach directories the account has to get at
 * @throws EmbeddedPostgresError when the service is root and there is no account to change to
 */
export async function chooseAccount(clusterDir: string, mustReach: string[]): Promise<Account> {
  const plain = (file: string, args: string[]) => ({ file, args });
  if (process.getuid?.() !== 0) return { command: plain, spawnIds: {} };

  const owner = await stat(clusterDir).catch(() => undefined);
  const ids =
    owner !== undefined && owner.uid !== 0
      ? { uid: owner.uid, gid: owner.gid }
      : ((await findUser()) ?? (await createUser()));

  for (const directory of mustReach) {
    if (!(await canReach(directory, ids))) {
      return { ids, command: await throughClosedDirectories(ids, directory), spawnIds: {} };
    }
  }
  return { ids, command: plain, spawnIds: ids };
}

async function findUser(): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const options = { timeout: ACCOUNT_COMMAND_MS, env: { PATH: SYSTEM_PATH } };
    const uid = Number((await run('id', ['-u', USER], options)).stdout);
    const gid = Number((await run('id', ['-g', USER], options)).stdout);
    return uid > 0 && gid > 0 ? { uid, gid } : undefined;
  } catch {
    return undefined; // no such user
  }
}

async function createUser(): Promise<{ uid: number; gid: number }> {
  let cause: unknown;
  try {
    const args = ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', USER];
    await run('useradd', args, { timeout: ACCOUNT_COMMAND_MS, env: { PATH: SYSTEM_PATH } });
  } catch (error) {
    cause = error; // told below, if the user is not there now
  }
  const ids = await findUser();
  if (ids !== undefined) return ids;
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root and the user "${USER}" could not be created: start the service as an ordinary user or set DATABASE_URL.`,
    { cause },
  );
}

/** Whether the account may enter `directory` and everything above it. */
export async function canReach(
  directory: string,
  ids: { uid: number; gid: number },
): Promise<boolean> {
  for (let path = directory; ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path);
    const bit = uid === ids.uid ? 0o100 : gid === ids.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/**
 * A project under /root is closed to every other user. Opening it would be too much, so the
 * database keeps one capability that root has: to look into directories.
 */
async function throughClosedDirectories(
  ids: { uid: number; gid: number },
  directory: string,
): Promise<Account['command']> {
  const capability = await lookingCapability();
  const available =
    capability !== undefined &&
    (await run('setpriv', ['--version'], {
      timeout: ACCOUNT_COMMAND_MS,
      env: { PATH: SYSTEM_PATH },
    }).then(
      () => true,
      () => false,
    ));
  if (!available) {
    throw new EmbeddedPostgresError(
      `The user "${USER}" (${ids.uid}), as which PostgreSQL runs when the service is root, cannot enter ${directory}: start the service as an ordinary user or set DATABASE_URL.`,
    );
  }
  const options = [
    `--reuid=${ids.uid}`,
    `--regid=${ids.gid}`,
    '--clear-groups',
    // access(2) forgets the capability without this, and initdb asks it for its programs.
    '--securebits=+no_setuid_fixup',
    `--inh-caps=-all,+${capability}`,
    `--ambient-caps=-all,+${capability}`,
    `--bounding-set=-all,+${capability}`,
    '--',
  ];
  return (program, args) => ({ file: 'setpriv', args: [...options, program, ...args] });
}

/** capabilities(7): the narrowest one this root has; containers often lack the first. */
async function lookingCapability(): Promise<string | undefined> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  if ((effective & (1n << 2n)) !== 0n) return 'dac_read_search';
  if ((effective & (1n << 1n)) !== 0n) return 'dac_override';
  return undefined;
}
