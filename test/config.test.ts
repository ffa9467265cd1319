import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WRITER_CONNECTIONS } from '../src/bounds/store.ts';
import { ConfigError, readConfig } from '../src/config.ts';
import { environmentSchema } from '../src/environment.ts';

const problemsOf = (env: Record<string, string>): string => {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
};

const secret = 'a secret of at least thirty-two bytes';

describe('settings', () => {
  it('.env.example names every variable once, with its default', () => {
    const text = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
    const lines = text.split('\n').filter((line) => /^[A-Z]/.test(line));
    const shown = Object.fromEntries(lines.map((line) => line.split(/=(.*)/).slice(0, 2)));
    const defaults = Object.fromEntries(
      Object.entries(environmentSchema.properties).map(([name, schema]) => [
        name,
        String(schema.default ?? ''),
      ]),
    );
    expect(shown).toEqual(defaults);
    expect(lines.length).toBe(Object.keys(defaults).length);
  });

  it('is told how many connections the writer has beside the pool', () => {
    for (const name of ['.env.example', 'docs/configuration.md']) {
      const text = readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
      expect([name, text.match(/the writer has up to (\d+) more/)?.[1]]).toEqual([
        name,
        String(WRITER_CONNECTIONS),
      ]);
    }
  });

  it('an empty environment, and one of empty values, is a development service', () => {
    const empty = Object.fromEntries(
      Object.keys(environmentSchema.properties).map((name) => [name, '']),
    );
    expect(readConfig(empty)).toEqual(readConfig({}));
    expect(readConfig({})).toMatchObject({
      port: 3006,
      nodeEnv: 'development',
      auth: { mode: 'insecure' },
      database: { url: null, dataDir: '.data' },
      redis: { url: null },
      host: 'localhost',
      corsOrigins: 'loopback',
      guardsPages: true,
      trustedHosts: [],
    });
  });

  it('who is believed without proof decides who is let in', () => {
    const reach = (env: Record<string, string>) => {
      const { host, corsOrigins, guardsPages, trustedHosts } = readConfig(env);
      return { host, corsOrigins, guardsPages, trustedHosts };
    };
    const listed = {
      CORS_ORIGINS:
        'https://Chat.example,http://10.0.0.7:8080,tauri://localhost,https://*.a.example',
    };
    const origins = [
      'https://chat.example',
      'http://10.0.0.7:8080',
      'tauri://localhost',
      'https://*.a.example',
    ];
    const production = {
      NODE_ENV: 'production',
      ALLOW_INSECURE_AUTH: 'true',
      DATABASE_URL: 'postgres://db/x',
    };
    const open = { host: '0.0.0.0', guardsPages: false, trustedHosts: null };
    expect(reach({ HOST: '0.0.0.0' })).toEqual({
      host: '0.0.0.0',
      corsOrigins: 'loopback',
      guardsPages: true,
      trustedHosts: null,
    });
    expect(reach(listed)).toEqual({
      host: 'localhost',
      corsOrigins: origins,
      guardsPages: true,
      trustedHosts: ['chat.example', '10.0.0.7:8080', '*.a.example'],
    });
    expect(reach({ HOST: '127.0.0.1' })).toMatchObject({ trustedHosts: [] });
    expect(reach({ HOST: '::1' })).toMatchObject({ trustedHosts: [] });
    expect(reach({ CORS_ORIGINS: '*' })).toEqual({ ...open, host: 'localhost', corsOrigins: '*' });
    expect(reach({ JWT_SECRET: secret })).toEqual({ ...open, corsOrigins: '*' });
    expect(reach(production)).toEqual({ ...open, corsOrigins: [] });
  });

  it.each([
    ['PORT', 'http'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['WORKERS', '0'],
    ['WORKERS', '65'],
    ['WORKERS', '1.5'],
    ['WORKERS', '1e1'],
    ['WORKERS', 'AUTO'],
    ['NODE_ENV', 'prod'],
    ['LOG_LEVEL', 'loud'],
    ['AUTH_MODE', 'none'],
    ['SANITIZE_HTML', 'yes'],
    ['PING_INTERVAL_MS', '25s'],
    ['MAX_PAYLOAD_BYTES', '1e6'],
    ['RATE_LIMIT', 'maybe'],
    ['DATABASE_URL', 'mysql://x/y'],
    ['DATABASE_URL', 'postgres:///x?host=/a,/b&port=1,2,3'],
    ['DATABASE_URL', 'postgres://u:100%@host/x'],
    ['REDIS_URL', 'localhost'],
    ['JWT_JWKS_URL', 'https://user:hunter2@issuer.example/keys'],
    ['JWT_JWKS_URL', 'https://:hunter2@issuer.example/keys'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['CORS_ORIGINS', 'https://*.com'],
    ['CORS_ORIGINS', 'wss://a.example'],
    ['TRUSTED_PROXIES', 'loopback, 10.0.0.0/33'],
    ['TRUSTED_PROXIES', 'proxy.example'],
    ['PEER_HOST', '0.0.0.0'],
    ['PEER_HOST', '::'],
    ['PEER_HOST', '[::]'],
    ['JWT_SECRT', 'misspelt'],
  ])('refuses %s=%s and says which', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toContain(name);
    expect(problems).not.toContain('hunter2');
  });

  it('names every problem at once, and never shows a secret', () => {
    const problems = problemsOf({ PORT: 'x', LOG_LEVEL: 'y', JWT_SECRET: 'hunter2' });
    expect(problems.split('\n').length).toBe(3);
    expect(problems).not.toContain('hunter2');
    expect(problemsOf({ DATABASE_URL: 'mysql://user:hunter2@host' })).not.toContain('hunter2');
  });

  it('shows no value of what may be secret by its name', () => {
    const names = Object.keys(environmentSchema.properties);
    const secretive = names.filter((name) => /SECRET|TOKEN|PASSWORD|_URL$/.test(name));
    expect(secretive.length).toBeGreaterThan(4);
    for (const name of secretive) expect(problemsOf({ [name]: 'hush hush' })).not.toContain('hush');
  });

  it('a key turns jwt on; jwt without one is refused', () => {
    expect(readConfig({ JWT_SECRET: secret }).auth.mode).toBe('jwt');
    expect(problemsOf({ AUTH_MODE: 'jwt' })).toContain('JWT_SECRET');
  });

  it('PEER_PORT is a port of its own', () => {
    expect(problemsOf({ PORT: '4000', PEER_PORT: '4000' })).toMatch(/^PEER_PORT is PORT:/);
    expect(problemsOf({ METRICS_PORT: '4001', PEER_PORT: '4001' })).toMatch(
      /^PEER_PORT is METRICS_PORT:/,
    );
    const own = { PORT: '4000', METRICS_PORT: '4001', PEER_PORT: '4002' };
    expect(readConfig(own).peers.port).toBe(4_002);
  });

  it('several workers hear each other through Redis', () => {
    const redis = { REDIS_URL: 'redis://localhost' };
    expect(readConfig({}).workers).toBe(1);
    expect(readConfig({ WORKERS: '64', ...redis }).workers).toBe(64);
    expect(readConfig({ WORKERS: 'auto' }).workers).toBe('auto');
    expect(problemsOf({ WORKERS: '2' })).toMatch(/^WORKERS=2 needs REDIS_URL[^\n]*$/);
  });

  it('production embeds nothing and believes nobody', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/messaging' };
    expect(problemsOf({ NODE_ENV: 'production', JWT_SECRET: secret })).toContain('DATABASE_URL');
    expect(problemsOf(production)).toContain('AUTH_MODE=insecure is refused');
    expect(readConfig({ ...production, ALLOW_INSECURE_AUTH: 'true' }).auth.mode).toBe('insecure');
    expect(problemsOf({ ...production, JWT_SECRET: secret, CORS_ORIGINS: '*' })).toContain('CORS');
    expect(readConfig({ ...production, JWT_SECRET: secret }).corsOrigins).toEqual([]);
  });
});
