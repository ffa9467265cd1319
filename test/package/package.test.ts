/**
 * What `npm pack` makes of a fresh clone: installed in an empty folder, the service starts and answers; and
 * the types for clients come alone. Asks npm's registry, as `npm ci` does.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_IN_A_CLONE = new Set(['node_modules', 'dist', '.git', '.data', '.env']);
const TIMEOUT_MS = 300_000;

const run = promisify(execFile);
let place: string;

/** Packs `directory`; resolves with the tarball and what is in it. */
async function pack(directory: string): Promise<{ tarball: string; files: string[] }> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', place], {
    cwd: directory,
    maxBuffer: 64_000_000,
  });
  // A build says things before it.
  const [packed] = Object.values<{ filename: string; files: { path: string }[] }>(
    JSON.parse(stdout.slice(stdout.search(/^[[{]/m))),
  );
  if (packed === undefined) throw new Error(`npm packed nothing:\n${stdout}`);
  return {
    tarball: join(place, packed.filename),
    files: packed.files.map(({ path }) => path),
  };
}

/** An empty folder, with what the docs put into its package.json, and `tarball` installed in it. */
async function installed(name: string, tarball: string): Promise<string> {
  const directory = join(place, name);
  await mkdir(directory);
  const project = { private: true, ...(await advised()) };
  await writeFile(join(directory, 'package.json'), JSON.stringify(project));
  // Nothing comes along that does not support this Node.
  const options = ['--engine-strict', '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...options, tarball], { cwd: directory });
  return directory;
}

/** What docs/typescript.md says that a project on Node 20 has. */
async function advised(): Promise<{ overrides: object }> {
  const page = await readFile(join(ROOT, 'docs/typescript.md'), 'utf8');
  const [, json = ''] = /```json\n(\{ "overrides".*)\n```/.exec(page) ?? [];
  return JSON.parse(json);
}

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'messaging-pack-'));
  // As root the embedded PostgreSQL runs under another account, which must find its files.
  await chmod(place, 0o755);
  await cp(ROOT, join(place, 'clone'), {
    recursive: true,
    filter: (source) => !NOT_IN_A_CLONE.has(basename(source)),
  });
  await symlink(join(ROOT, 'node_modules'), join(place, 'clone/node_modules'));
}, TIMEOUT_MS);
afterAll(() => rm(place, { recursive: true, force: true }));

describe('the package of the service', () => {
  it('has its overrides in the docs, for projects that install it', async () => {
    const { overrides } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect(await advised()).toEqual({ overrides });
  });

  it(
    'holds what runs and nothing else, and starts in an empty folder',
    async () => {
      const { tarball, files } = await pack(join(place, 'clone'));
      for (const needed of [
        'dist/cli.js',
        'dist/main.js',
        'dist/web/index.html',
        'packages/events/index.d.mts',
        'packages/events/index.d.cts',
        'docs/never-lose-a-message.md',
        '.env.example',
        'LICENSE',
      ]) {
        expect(files).toContain(needed);
      }
      const migrations = (await readdir(join(ROOT, 'sql'))).map((name) => `sql/${name}`);
      expect(files).toEqual(expect.arrayContaining(migrations));
      const folders = files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]);
      const expected = ['deploy', 'dist', 'docs', 'packages', 'sql', 'src'];
      expect([...new Set(folders)].sort()).toEqual(expected);
      expect(files.filter((file) => file.startsWith('src/'))).toEqual(['src/README.md']);
      expect(files.filter((file) => /\.map$|(?<!\.d)\.[mc]?tsx?$|built-from/.test(file))).toEqual(
        [],
      );

      const directory = await installed('service', tarball);
      const service = spawn('node_modules/.bin/messaging-service', ['serve'], {
        cwd: directory,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', HOST: '127.0.0.1' },
      });
      let output = '';
      const ended = once(service, 'close');
      const listening = new Promise<string>((resolve) => {
        for (const stream of [service.stdout, service.stderr]) {
          stream.setEncoding('utf8').on('data', (text: string) => {
            output += text;
            const [, port] = /listens on http:\/\/localhost:(\d+)/.exec(output) ?? [];
            if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
          });
        }
      });
      try {
        const url = await Promise.race([listening, ended.then(() => null)]);
        expect(url, output).not.toBe(null);
        const health = await fetch(`${url}/health`);
        expect(await health.json()).toMatchObject({ success: true });
        const page = await fetch(`${url}/`);
        expect(page.headers.get('content-type')).toContain('text/html');
        service.kill('SIGTERM');
        expect(await ended, output).toEqual([0, null]);
      } finally {
        service.kill('SIGKILL');
        await ended;
      }
    },
    TIMEOUT_MS,
  );
});

describe('the package of the types', () => {
  it(
    'brings nothing else along',
    async () => {
      const { tarball, files } = await pack(join(place, 'clone/packages/events'));
      expect(files.sort()).toEqual([
        'LICENSE',
        'README.md',
        'index.d.cts',
        'index.d.mts',
        'package.json',
      ]);
      const modules = join(await installed('client', tarball), 'node_modules');
      const found = (await readdir(modules)).filter((name) => !name.startsWith('.'));
      expect(found).toEqual(['messaging-service-events']);
    },
    TIMEOUT_MS,
  );
});
