/** A few habits nobody should break. */
import { describe, expect, it } from 'vitest';
import { PARTS } from './arrows.ts';
import { filesWith, placesOf, sourcesBelow } from './sources.ts';

const MAX_LINES = 300;

/**
 * The few places that mean the time of day. Whatever lasts is measured by `performance.now()`: the
 * wall clock is set back and forth, and then a wait is over too early, or never.
 */
const READS_WALL_CLOCK: Record<string, string> = {
  'src/auth/authenticator.ts': 'whether `exp` has come',
  'src/delivery/token-expiry.ts': 'whether `exp` has come',
  'src/realtime/engine-http.ts': 'when a request came in, for those who read logs',
  'src/shared/ids.ts': 'the time in a UUID of version 7',
  'bench/baselines/memory-chat.ts': 'when a message was sent',
  'bench/harness/environment.ts': 'when it was measured',
  'bench/load/credentials.ts': '`exp` of a token',
  'web/src/format.ts': 'which day is today',
  'web/src/sender.ts': 'the time shown until the server has given one',
};

/** A factory, and the name and type of what it is given first. */
const FACTORY =
  /^export (?:async )?function (create\w+)[^(]*\(\s*(\w+|\{[^}]*\})\??:\s*(?:Partial<)?([\w{]+)/gm;
const ODD_NAME = /^(?:options|opts|config|context)$/;
const ODD_TYPE = /(?:Options|Config|Context|Params)$/;

const service = sourcesBelow('src');
const everything = Object.keys(PARTS).flatMap(sourcesBelow);

describe('everywhere', () => {
  it(`a file has at most ${MAX_LINES} lines`, () => {
    const long = everything.filter(({ text }) => text.split('\n').length > MAX_LINES);
    expect(long.map(({ name }) => name)).toEqual([]);
  });

  it('there is no any, no ignored type error and no empty catch', () => {
    const bad = /: any\b|<any>|as any\b|@ts-ignore|@ts-nocheck|catch\s*(\([^)]*\))?\s*\{\s*\}/;
    expect(placesOf(everything, bad)).toEqual([]);
  });

  it('files are named in kebab-case', () => {
    const odd = everything.filter(
      ({ name }) => !/^([a-z0-9-]+\/)*[a-z0-9-]+\.([jt]s|mjs|tsx)$/.test(name),
    );
    expect(odd.map(({ name }) => name)).toEqual([]);
  });

  it('the wall clock is read only where the time of day is meant', () => {
    const reading = /\bDate\.now\b|\bnew Date(?:\(\)|;)|(?<!new )\bDate\(/;
    expect(filesWith(everything, reading)).toEqual(Object.keys(READS_WALL_CLOCK).sort());
  });
});

describe('the service', () => {
  it('connects to PostgreSQL in one file, so that every URL is read alike', () => {
    expect(filesWith(service, /\bpostgres\([\w{]/)).toEqual(['src/store/connect.ts']);
  });

  it('loads uWebSockets.js in one file, and has its types from one', () => {
    const loaders = service.filter(({ text }) =>
      /(?:require|import)\w*\(?[^\n]*'uWebSockets\.js'/.test(text),
    );
    // Its own types would let strings through, which are other bytes on another binary.
    expect(loaders.map(({ name }) => name)).toEqual([
      'src/realtime/uws-types.ts',
      'src/realtime/uws.ts',
    ]);
  });

  it('makes text for native code in one file', () => {
    expect(filesWith(service, /\bas (?:unknown as )?(?:Ascii|NativeText)\b/)).toEqual([
      'src/shared/native-text.ts',
    ]);
  });

  it('opens Redis in one file', () => {
    expect(filesWith(service, /\bnew Redis\(/)).toEqual(['src/redis/connection.ts']);
  });

  it('asks nobody whether a text is a URL but shared/url.ts', () => {
    expect(filesWith(service, /\bURL\.canParse\(/)).toEqual([]);
  });

  it('keeps what is private to a class by #, which holds at run time as well', () => {
    expect(placesOf(service, /^\s*private\s|\(private\s/)).toEqual([]);
  });

  it('gives factories deps, or limits and settings where there is nothing but values', () => {
    const odd = service.flatMap(({ name, text }) =>
      [...text.matchAll(FACTORY)]
        .filter(
          ([, , given = '', type = '']) =>
            ODD_NAME.test(given) || ODD_TYPE.test(type) || (given[0] === '{' && type === '{'),
        )
        .map(([, factory]) => `${name}: ${factory}`),
    );
    expect(odd).toEqual([]);
  });

  it('calls nothing a peer but another process of the deployment', () => {
    const strangers = /^src\/(?:auth|chat|http|limits|protocol|shared|store)\//;
    const named = service.filter(
      ({ name, text }) => strangers.test(name) && /\bpeers?\b/i.test(text),
    );
    expect(named.map(({ name }) => name)).toEqual([]);
  });

  it('reads the environment in service.ts, cli.ts and config.ts only', () => {
    // The native server takes one of its bounds from a variable, so uws.ts sets that one.
    const uses = filesWith(service, /process\.env(?!\.UWS_HTTP_MAX_HEADERS_SIZE)/);
    const allowed = ['src/service.ts', 'src/cli.ts', 'src/config.ts'];
    expect(uses.filter((name) => !allowed.includes(name))).toEqual([]);
  });
});

describe('the tests', () => {
  it('keep the log of every service that they start, to be searched for secrets', () => {
    const starters = filesWith(
      sourcesBelow('test'),
      /\bstartApp\(|'src\/main\.ts'|\bcompiledFile\('main\.js'\)/,
    );
    expect(starters).toEqual([
      // A run of its own, which checks what is stored and told; its nodes log warnings only.
      'test/history/node-process.ts',
      // Starts nothing that serves.
      'test/process/platform.test.ts',
      // Looks through its log itself.
      'test/security/log.test.ts',
      'test/support/app.ts',
      'test/support/service-process.ts',
      // A worker without a supervisor, which is refused.
      'test/workers/lifecycle.test.ts',
    ]);
  });
});
