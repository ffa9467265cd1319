import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/embedded/embedded-postgres.ts';
import { makeSocketDirectory } from '../../src/embedded/socket-directory.ts';
import { createHarness, kill, killWatchdog, query, waitForNone } from './harness.ts';

const { temporaryDirectory, usedDirectory, start, startOwner } = createHarness();
const isRoot = process.getuid?.() === 0;
const SOCKET = '.s.PGSQL.5432';

let dataDir: string;
beforeEach(async () => {
  dataDir = await usedDirectory();
});

const directoryOf = (url: string): string => decodeURIComponent(new URL(url).hostname);
const answers = async (url: string) => expect(await query(url, 'SELECT 1')).toHaveLength(1);
const missing = (path: string) => expect(lstat(path)).rejects.toThrow('ENOENT');

describe('nobody else of the machine', () => {
  test.runIf(process.platform === 'linux')('finds a port that is listened on', async () => {
    const { pid, url } = await start(dataDir);
    await answers(url);
    const files = await readdir(`/proc/${pid}/fd`);
    const open = await Promise.all(files.map((name) => readlink(`/proc/${pid}/fd/${name}`)));
    const tables = await Promise.all(
      ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
    );
    // proc(5): the inode is the tenth field.
    const inodes = tables
      .join('')
      .split('\n')
      .map((line) => line.trim().split(/ +/)[9]);
    expect(open.filter((name) => name.startsWith('socket:')).length).toBeGreaterThan(0);
    expect(inodes.filter((inode) => open.includes(`socket:[${inode}]`))).toEqual([]);
  });

  test('comes into the directory of the socket', async () => {
    const { url } = await start(dataDir);
    expect(directoryOf(url)).toBe(join(dataDir, 'socket'));
    const cluster = await stat(join(dataDir, 'postgres'));
    const directory = await stat(directoryOf(url));
    expect([directory.uid, directory.mode & 0o777]).toEqual([cluster.uid, 0o700]);
    expect((await stat(join(directoryOf(url), SOCKET))).mode & 0o777).toBe(0o700);
  });

  test.runIf(isRoot)('connects to it under another account', async () => {
    await chmod(dataDir, 0o755); // its own mode must not be what keeps others out
    const { url } = await start(dataDir);
    const path = join(directoryOf(url), SOCKET);
    expect(await connectAs(65_534, path)).toBe('EACCES');
    expect(await connectAs((await stat(join(dataDir, 'postgres'))).uid, path)).toBe('connected');
  });

  test('gets in where a directory or a link of theirs was there first', async () => {
    const theirs = await temporaryDirectory();
    await chmod(theirs, 0o777);
    await symlink(theirs, join(dataDir, 'socket'));
    const first = await start(dataDir);
    expect(directoryOf(first.url)).toBe(join(dataDir, 'socket'));
    expect((await stat(theirs)).mode & 0o777).toBe(0o777);
    expect(await readdir(theirs)).toEqual([]);
    await first.stop();

    await mkdir(join(dataDir, 'socket'));
    await chmod(join(dataDir, 'socket'), 0o777);
    await writeFile(join(dataDir, 'socket', 'kept'), '');
    const second = await start(dataDir);
    expect((await stat(directoryOf(second.url))).mode & 0o777).toBe(0o700);
    await answers(second.url);
    await second.stop();
    expect(await readdir(join(dataDir, 'socket'))).toEqual(['kept']);
  });
});

describe('in the socket’s place', () => {
  test('a file of somebody’s is kept, and the start goes on', async () => {
    await writeFile(join(dataDir, 'socket'), 'kept');
    const embedded = await start(dataDir);
    await answers(embedded.url);
    await embedded.stop();
    expect(await readFile(join(dataDir, 'socket'), 'utf8')).toBe('kept');
  });

  test('a link to a directory with a pipe for a lock file is not waited for', async () => {
    const theirs = await temporaryDirectory();
    await run('mkfifo', [join(theirs, `${SOCKET}.lock`)]);
    const { uid, gid } = await stat(join(dataDir, 'postgres'));
    await chown(theirs, uid, gid);
    await symlink(theirs, join(dataDir, 'socket'));
    await answers((await start(dataDir)).url);
    expect(await readdir(theirs)).toEqual([`${SOCKET}.lock`]);
  });
});

test('a data directory that everybody may write to, and so could exchange the socket in', async () => {
  await chmod(dataDir, 0o777);
  await mkdir(join(dataDir, 'socket'));
  await writeFile(join(dataDir, 'socket', 'kept'), '');
  const embedded = await start(dataDir);
  expect(directoryOf(embedded.url).startsWith(dataDir)).toBe(false);
  await answers(embedded.url);
  await embedded.stop();
  await missing(directoryOf(embedded.url));
  expect(await readdir(join(dataDir, 'socket'))).toEqual(['kept']);
});

test('a data directory in one that everybody may write to, and so could exchange it in', async () => {
  const open = await temporaryDirectory();
  const inside = join(open, 'data');
  await run('cp', ['-a', dataDir, inside]);
  await chmod(open, 0o777);
  const { url } = await start(inside);
  expect(directoryOf(url).startsWith(open)).toBe(false);
  await answers(url);
});

test.each([
  [0o777, true],
  [0o1777, false],
  [0o775, false],
])('whether a start warns of a data directory of mode %o: %s', async (mode, warns) => {
  await chmod(dataDir, mode);
  const said: string[] = [];
  const embedded = await startEmbeddedPostgres({
    dataDir,
    log: () => undefined,
    warn: (sentence) => said.push(sentence),
    stopTimeoutMs: 10_000,
  });
  await embedded.stop();
  expect(said).toHaveLength(warns ? 1 : 0);
  for (const sentence of said) expect(sentence).toContain(dataDir);
});

test('a directory of another account in the socket’s place is left to it', async () => {
  await mkdir(join(dataDir, 'socket'));
  await chmod(dataDir, 0o1777);
  const getuid = vi.spyOn(process, 'getuid').mockReturnValue(12_345);
  try {
    const { path, remove } = await makeSocketDirectory({
      dataDir,
      clusterDir: join(dataDir, 'postgres'),
      passwordFile: join(dataDir, 'postgres-password'),
      binaries: { postgres: '', initdb: '' },
      account: { command: (file, args) => ({ file, args }), spawnIds: {} },
      log: () => undefined,
    });
    expect(path.startsWith(dataDir)).toBe(false);
    await remove();
    await missing(path);
    expect((await lstat(join(dataDir, 'socket'))).isDirectory()).toBe(true);
  } finally {
    getuid.mockRestore();
  }
});

describe('of the socket nothing is left', () => {
  test('after an orderly end', async () => {
    const embedded = await start(dataDir);
    await embedded.stop();
    await missing(join(dataDir, 'socket'));
  });

  test('that would hinder a start after all were killed', async () => {
    const owner = await killedWithEverything(dataDir);
    expect(await readdir(directoryOf(owner.url))).toContain(SOCKET);
    await answers((await start(dataDir)).url);
  });
});

describe('a data directory whose path is too long for a socket', () => {
  beforeEach(async () => {
    const long = join(await temporaryDirectory(), ...Array.from('abc', (x) => x.repeat(40)));
    await mkdir(dirname(long), { recursive: true });
    await run('cp', ['-a', dataDir, long]); // keeps the owners
    dataDir = long;
  });

  test('has it in a private one in the temporary directory, and a link there, until the end', async () => {
    const embedded = await start(dataDir);
    await answers(embedded.url);
    const path = directoryOf(embedded.url);
    expect(join(path, SOCKET).length).toBeLessThan(104);
    expect(await readlink(join(dataDir, 'socket'))).toBe(path);
    const { uid, mode } = await stat(path);
    expect([uid, mode & 0o777]).toEqual([(await stat(join(dataDir, 'postgres'))).uid, 0o700]);
    await embedded.stop();
    await missing(path);
    await missing(join(dataDir, 'socket'));
  });

  test('after all were killed gets a new one, and the old one is removed', async () => {
    const owner = await killedWithEverything(dataDir);
    const { url } = await start(dataDir);
    expect(directoryOf(url)).not.toBe(directoryOf(owner.url));
    await answers(url);
    await missing(directoryOf(owner.url));
  });

  test('leaves alone what somebody has put in the old one’s place', async () => {
    const theirs = await temporaryDirectory();
    await writeFile(join(theirs, SOCKET), '');
    await chmod(theirs, 0o755);
    await symlink(theirs, join(dataDir, 'socket'));
    await answers((await start(dataDir)).url);
    expect(await readdir(theirs)).toEqual([SOCKET]);
  });

  test('copied while it is in use does not take the original’s socket away', async () => {
    const original = await start(dataDir);
    const copy = join(dirname(dataDir), 'copy');
    await run('cp', ['-a', dataDir, copy]);
    // What says that it is in use, as a backup leaves it out.
    for (const name of ['owner.lock', 'postgres/postmaster.pid']) await rm(join(copy, name));
    await answers((await start(copy)).url);
    await answers(original.url);
  });
});

test('a data directory with a comma in its path, where clients see a list of hosts', async () => {
  const odd = join(await temporaryDirectory(), 'a, "b"');
  await run('cp', ['-a', dataDir, odd]);
  const { url } = await start(odd);
  expect(directoryOf(url)).not.toContain(',');
  await answers(url);
});

test('a data directory with quotes, spaces and letters beyond ASCII in its path', async () => {
  const odd = join(await temporaryDirectory(), `a 'b' "ü" %2F?#@:+`);
  await run('cp', ['-a', dataDir, odd]);
  const { url } = await start(odd);
  expect(directoryOf(url)).toBe(join(odd, 'socket'));
  await answers(url);
});

/** Leaves the files of an owner and a database that were killed before they could remove them. */
async function killedWithEverything(directory: string) {
  const owner = await startOwner(directory, 'stay');
  await answers(owner.url);
  await killWatchdog(directory);
  process.kill(owner.pid, 'SIGKILL');
  await kill(owner.child);
  await waitForNone(directory);
  return owner;
}

async function run(file: string, args: string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  expect([file, code]).toEqual([file, 0]);
  return output;
}

/** What another account gets when it connects: `connected`, or the code of the error. */
function connectAs(uid: number, path: string): Promise<string> {
  const script = `
    process.setgroups([]); process.setegid(${uid}); process.seteuid(${uid});
    require('node:net').connect(${JSON.stringify(path)})
      .on('connect', function () { process.stdout.write('connected'); this.destroy(); })
      .on('error', (error) => process.stdout.write(error.code));`;
  return run(process.execPath, ['-e', script]);
}
