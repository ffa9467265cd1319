/** Every way to start the service on a platform that cannot run it, and the caution on one that can. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cautionAboutNode, whyNodeIsUnsupported } from '../../src/platform.js';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startService } from '../support/service-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SLOW_MS = 60_000;

/** Code that runs before the entry point. */
const before = (code: string): string[] => ['--import', `data:text/javascript,${escape(code)}`];
const pretendNode = (version: string): string[] =>
  before(
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
  );
/** As the loader of a system does it whose C library is too old. */
const withoutBinary = before(`
  import Module from 'node:module';
  const load = Module._load;
  Module._load = function (id, ...rest) {
    if (id === 'uWebSockets.js') throw new Error("Sorry.\\n\\nError: version \`GLIBC_9.99' not found");
    return load.call(this, id, ...rest);
  };`);

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase({ migrate: false });
});
afterAll(() => db.drop());

async function start(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', DATABASE_URL: db.url },
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), SLOW_MS);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  return { code: Number(code), ...said };
}

describe('a Node that is not supported', () => {
  it('is refused by every script of the package that needs one', () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
      scripts: Record<string, string>;
    };
    const names = [
      'dev',
      'build',
      'bench',
      'conformance-server',
      'test',
      'test:fast',
      'test:history',
    ];
    for (const name of names) {
      expect(scripts[name], name).toMatch(/^node src\/refuse-unsupported-node\.js && /);
    }
  });

  const sources = ['--import', 'tsx'];
  it.each([
    ['npm start', ['scripts/start.mjs']],
    ['the service', [...sources, 'src/main.ts']],
    ['the command line', [...sources, 'src/cli.ts', 'doctor']],
  ])(
    'is refused by %s in one sentence, before anything is done',
    async (_what, entry) => {
      for (const version of ['18.20.8', '26.1.0']) {
        expect(await start(...pretendNode(version), ...entry)).toEqual({
          code: 1,
          stdout: '',
          stderr: `messaging-service cannot start: ${whyNodeIsUnsupported(version)}\n`,
        });
      }
    },
    SLOW_MS,
  );
});

it(
  'a binary that does not load is one sentence, before the database is touched',
  async () => {
    const { code, stdout, stderr } = await start(
      ...withoutBinary,
      '--import',
      'tsx',
      'src/main.ts',
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^messaging-service cannot start: uWebSockets\.js for Node [^\n]+ needs glibc 9\.99, [^\n]+\n$/,
    );
    const [row] = await db.sql`SELECT to_regnamespace('messaging') AS made`;
    expect(row?.made).toBe(null);
  },
  SLOW_MS,
);

it(
  'the caution about this Node is in the log of every start, where there is one',
  async () => {
    const service = await startService({ DATABASE_URL: db.url });
    const warnings = service
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line): unknown => JSON.parse(line));
    await service.discard();
    const caution = cautionAboutNode();
    const expected = expect.objectContaining({
      level: 40,
      msg: caution ?? expect.stringContaining('Node'),
    });
    if (caution === null) expect(warnings).not.toContainEqual(expected);
    else expect(warnings).toContainEqual(expected);
  },
  SLOW_MS,
);
