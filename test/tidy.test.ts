/** The architecture as data: which directory may import which, and a few habits nobody should break. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const MAX_LINES = 300;

/** Layer → layers it may import at run time. `types` names those it may only import types of. */
const ARROWS: Record<string, { runtime: string[]; types?: string[] }> = {
  'main.ts': { runtime: ['refuse-unsupported-node.js'] },
  'service.ts': {
    runtime: [
      'app.ts',
      'config.ts',
      'log.ts',
      'package-facts.ts',
      'platform.js',
      'process-end.ts',
      'embedded',
      'realtime',
      'shared',
      'store',
      'workers',
    ],
  },
  'cli.ts': {
    runtime: [
      'main.ts',
      'config.ts',
      'package-facts.ts',
      'refuse-unsupported-node.js',
      'doctor',
      'store',
    ],
  },
  'package-facts.ts': { runtime: [] },
  'platform.js': { runtime: [] },
  'process-end.ts': { runtime: [], types: ['log.ts'] },
  'refuse-unsupported-node.js': { runtime: ['platform.js'] },
  'descriptors.ts': { runtime: [], types: ['config.ts'] },
  'realtime-settings.ts': {
    runtime: ['chat', 'descriptors.ts', 'realtime'],
    types: ['config.ts', 'log.ts'],
  },
  doctor: {
    runtime: ['descriptors.ts', 'platform.js', 'realtime', 'redis', 'store', 'workers'],
    types: ['config.ts'],
  },
  'app.ts': {
    runtime: [
      'audience',
      'auth',
      'chat',
      'delivery',
      'draining.ts',
      'http',
      'http-door.ts',
      'limits',
      'metrics',
      'other-nodes.ts',
      'ports.ts',
      'realtime',
      'realtime-settings.ts',
      'shared',
      'store',
    ],
    types: ['config.ts', 'log.ts', 'workers'],
  },
  'other-nodes.ts': {
    runtime: ['bus', 'peers', 'realtime-settings.ts', 'redis', 'shared'],
    types: ['config.ts', 'log.ts'],
  },
  'http-door.ts': {
    runtime: ['auth', 'http', 'store'],
    types: ['config.ts', 'metrics', 'realtime', 'shared', 'workers'],
  },
  'draining.ts': {
    runtime: ['shared'],
    types: [
      'audience',
      'bus',
      'chat',
      'delivery',
      'http-door.ts',
      'limits',
      'peers',
      'ports.ts',
      'realtime',
      'redis',
      'store',
    ],
  },
  'config.ts': { runtime: ['config-rules.ts', 'environment.ts', 'shared'] },
  'config-rules.ts': { runtime: ['shared'], types: ['environment.ts'] },
  'ports.ts': { runtime: ['http', 'realtime'], types: ['config.ts'] },
  'environment.ts': { runtime: [] },
  'log.ts': { runtime: [] },
  shared: { runtime: [] },
  protocol: { runtime: ['shared'] },
  chat: { runtime: ['shared'] },
  redis: { runtime: [] },
  bus: { runtime: ['redis', 'shared'] },
  store: { runtime: ['chat', 'shared'], types: ['config.ts'] },
  auth: { runtime: ['chat', 'shared'] },
  limits: { runtime: ['chat', 'shared'], types: ['redis'] },
  realtime: { runtime: ['protocol', 'shared'] },
  peers: { runtime: ['realtime', 'shared'], types: ['redis'] },
  // What the rules announce, in their words: it carries them out and asks them nothing.
  audience: { runtime: ['bus', 'protocol', 'shared'], types: ['chat', 'realtime'] },
  delivery: {
    runtime: ['audience', 'chat', 'realtime', 'shared'],
    types: ['auth'],
  },
  metrics: {
    runtime: ['chat'],
    types: ['audience', 'bus', 'delivery', 'limits', 'peers', 'realtime', 'shared', 'store'],
  },
  http: { runtime: ['chat', 'shared'], types: ['auth', 'realtime', 'log.ts'] },
  embedded: { runtime: [] },
  workers: { runtime: ['chat', 'metrics', 'realtime', 'shared'], types: ['config.ts', 'log.ts'] },
};

/** Packages with one door into the project, and packages a layer must stay clear of. */
const ONLY_IMPORTER: Record<string, string> = {
  'uWebSockets.js': 'realtime/uws.ts',
  'prom-client': 'metrics/',
  ws: 'peers/',
  ioredis: 'redis/',
};
const OUT_OF_BOUNDS: Record<string, string[]> = {
  chat: ['fastify', 'uWebSockets.js', 'postgres', 'ioredis', 'pino'],
  protocol: ['fastify', 'uWebSockets.js', 'postgres', 'ioredis', 'pino', '@sinclair/typebox'],
};

/**
 * The few places that mean the time of day. Whatever lasts is measured by `performance.now()`: the
 * wall clock is set back and forth, and then a wait is over too early, or never.
 */
const READS_WALL_CLOCK: Record<string, string> = {
  'src/auth/authenticator.ts': 'whether `exp` has come',
  'src/delivery/token-expiry.ts': 'whether `exp` has come',
  'src/realtime/engine-http.ts': 'when a request came in, for those who read logs',
  'src/shared/ids.ts': 'the time in a UUID of version 7',
  'web/src/format.ts': 'which day is today',
  'web/src/sender.ts': 'the time shown until the server has given one',
};

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.([jt]s|tsx)$/.test(path) ? [path] : [];
  });
}

const files = filesBelow(SRC).map((path) => ({
  name: relative(SRC, path),
  path,
  text: readFileSync(path, 'utf8'),
}));

/** The lines of a file without its comments. */
const codeOf = (text: string): string[] =>
  text.split('\n').map((line) => line.replace(/^\s*(?:\/\*\*?|\*|\/\/).*$/, ''));

const layerOf = (name: string): string => name.split('/')[0] ?? name;

function importsOf({ name, path, text }: (typeof files)[number]): Import[] {
  const found: Import[] = [];
  const pattern =
    /^(?:import|export)\s+(type\s+)?([^;]*?)\s*from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm;
  for (const match of text.matchAll(pattern)) {
    const specifier = match[3] ?? match[4] ?? match[5] ?? '';
    const names = match[2] ?? '';
    const braces = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
    const allTypes = braces?.split(',').every((part) => /^\s*(type\s|$)/.test(part)) ?? false;
    const to = specifier.startsWith('.')
      ? relative(SRC, resolve(dirname(path), specifier))
      : specifier;
    found.push({ from: name, to, typeOnly: match[1] !== undefined || allTypes });
  }
  return found;
}

const imports = files.flatMap(importsOf);
const inside = imports.filter(({ to }) => files.some((file) => file.name === to));

describe('the arrows', () => {
  it('names every layer', () => {
    expect([...new Set(files.map(({ name }) => layerOf(name)))].sort()).toEqual(
      Object.keys(ARROWS).sort(),
    );
  });

  it('has no edge but the named ones', () => {
    const wrong = inside.filter(({ from, to, typeOnly }) => {
      const [source, target] = [layerOf(from), layerOf(to)];
      if (source === target) return false;
      const allowed = ARROWS[source];
      if (allowed?.runtime.includes(target)) return false;
      return !(typeOnly && allowed?.types?.includes(target));
    });
    expect(wrong).toEqual([]);
  });

  it('has no cycle between files', () => {
    const next = new Map<string, string[]>();
    for (const { from, to, typeOnly } of inside) {
      if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (name: string, path: string[]): void => {
      if (path.includes(name)) {
        cycles.push([...path.slice(path.indexOf(name)), name].join(' → '));
        return;
      }
      if (done.has(name)) return;
      for (const to of next.get(name) ?? []) walk(to, [...path, name]);
      done.add(name);
    };
    for (const { name } of files) walk(name, []);
    expect(cycles).toEqual([]);
  });

  it('reaches outside packages only where they belong', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      const only = ONLY_IMPORTER[to];
      if (only !== undefined && !from.startsWith(only) && !typeOnly) return true;
      return OUT_OF_BOUNDS[layerOf(from)]?.some((name) => to === name || to.startsWith(`${name}/`));
    });
    expect(wrong).toEqual([]);
  });

  it('loads uWebSockets.js in one file, and has its types from one', () => {
    const loaders = files.filter(({ text }) =>
      /(?:require|import)\w*\(?[^\n]*'uWebSockets\.js'/.test(text),
    );
    // Its own types would let strings through, which are other bytes on another binary.
    expect(loaders.map(({ name }) => name)).toEqual(['realtime/uws-types.ts', 'realtime/uws.ts']);
  });

  it('makes text for native code in one file', () => {
    const makers = files.filter(({ text }) =>
      codeOf(text).some((line) => /\bas (?:unknown as )?(?:Ascii|NativeText)\b/.test(line)),
    );
    expect(makers.map(({ name }) => name)).toEqual(['shared/native-text.ts']);
  });
});

describe('the habits', () => {
  it(`keeps every file under ${MAX_LINES} lines`, () => {
    const long = files.filter(({ text }) => text.split('\n').length > MAX_LINES);
    expect(long.map(({ name }) => name)).toEqual([]);
  });

  it('reads the environment in service.ts, cli.ts and config.ts only', () => {
    // The native server takes one of its bounds from a variable, so uws.ts sets that one.
    const uses = files.flatMap(({ name, text }) =>
      codeOf(text)
        .filter((line) => line.includes('process.env'))
        .filter((line) => !line.includes('process.env.UWS_HTTP_MAX_HEADERS_SIZE'))
        .map(() => name),
    );
    expect(uses.filter((name) => !['service.ts', 'cli.ts', 'config.ts'].includes(name))).toEqual(
      [],
    );
  });

  it('reads the wall clock only where the time of day is meant', () => {
    const readers = [...filesBelow(SRC), ...filesBelow(join(ROOT, 'web/src'))].filter((path) =>
      codeOf(readFileSync(path, 'utf8')).some((line) =>
        /\bDate\.now\b|\bnew Date(?:\(\)|;)|(?<!new )\bDate\(/.test(line),
      ),
    );
    expect(readers.map((path) => relative(ROOT, path)).sort()).toEqual(
      Object.keys(READS_WALL_CLOCK).sort(),
    );
  });

  it('keeps the log of every service that tests start, to be searched for secrets', () => {
    const TEST = join(ROOT, 'test');
    const starters = filesBelow(TEST).filter((path) =>
      codeOf(readFileSync(path, 'utf8')).some((line) =>
        /\bstartApp\(|'src\/main\.ts'|\bcompiledFile\('main\.js'\)/.test(line),
      ),
    );
    expect(starters.map((path) => relative(TEST, path)).sort()).toEqual([
      // A run of its own, which checks what is stored and told; its nodes log warnings only.
      'history/node-process.ts',
      // Starts nothing that serves.
      'process/platform.test.ts',
      // Looks through its log itself.
      'security/log.test.ts',
      'support/app.ts',
      'support/service-process.ts',
      // A worker without a supervisor, which is refused.
      'workers/lifecycle.test.ts',
    ]);
  });

  it('has no any, no ignored type error and no empty catch', () => {
    const bad = files.flatMap(({ name, text }) =>
      codeOf(text)
        .map((line, index) => ({ where: `${name}:${index + 1}`, line }))
        .filter(({ line }) =>
          /: any\b|<any>|as any\b|@ts-ignore|@ts-nocheck|catch\s*(\([^)]*\))?\s*\{\s*\}/.test(line),
        )
        .map(({ where }) => where),
    );
    expect(bad).toEqual([]);
  });

  it('names files in kebab-case', () => {
    const odd = files.filter(({ name }) => !/^([a-z0-9-]+\/)*[a-z0-9-]+\.[jt]s$/.test(name));
    expect(odd.map(({ name }) => name)).toEqual([]);
  });
});
