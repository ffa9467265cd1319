/** JWT_JWKS_URL: fetched once, again for a new key, and an outage is not the caller's fault. */

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Authenticator, createAuthenticator } from '../../src/auth/authenticator.ts';
import { AUTHENTICATOR_LIMITS, KEY_SET_LIMITS } from '../../src/bounds/auth.ts';
import { readConfig } from '../../src/config.ts';
import { startTestApp } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import {
  hmacSigner,
  type KeyPairName,
  keyPairNames,
  keyPairs,
  keySigner,
  nowSeconds,
} from './forge.ts';
import { restVerdict, socketVerdict } from './verdicts.ts';

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

const sub = randomUUID();
let url: string;
let fetches = 0;
let answer: (response: ServerResponse) => void;
const server = createServer((_request, response) => {
  fetches += 1;
  answer(response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
afterAll(() => server.close());

const jwkOf = (name: KeyPairName, more: object = {}) => ({
  ...keyPairs[name].publicKey.export({ format: 'jwk' }),
  kid: name,
  alg: name,
  use: 'sig',
  ...more,
});
const serve = (...keys: object[]) => {
  answer = (response) => response.end(JSON.stringify({ keys }));
};
const token = (name: KeyPairName, header: object = {}, claims: object = {}) =>
  keySigner(keyPairs[name].privateKey)(
    { alg: name, kid: name, ...header },
    { sub, exp: nowSeconds() + 3_600, jti: randomUUID(), ...claims },
  );

let authenticator: Authenticator;
const verdict = (given: string) =>
  authenticator
    .authenticate({ token: given, statedUserId: undefined, anonymousIsService: false })
    .then(
      (actor) => (actor.kind === 'user' && actor.userId === sub ? 'ok' : 'somebody else'),
      (error: { code: string }) => error.code,
    );
/** Time passes, on every clock. */
const later = (ms: number) => vi.advanceTimersByTime(ms);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() });
  // The faked clock starts at 0, which a cache takes for no time at all.
  later(1);
  fetches = 0;
  serve(...keyPairNames.map((name) => jwkOf(name)));
  authenticator = createAuthenticator(readConfig({ JWT_JWKS_URL: url }).auth, AUTHENTICATOR_LIMITS);
});
afterEach(() => {
  vi.useRealTimers();
});

describe('caching', () => {
  it('fetches once for any number of tokens, at the same time or after each other', async () => {
    const many = Array.from({ length: 30 }, (_, n) => token(keyPairNames[n % 3] ?? 'RS256'));
    expect(new Set(await Promise.all(many.map(verdict)))).toEqual(new Set(['ok']));
    for (const name of keyPairNames) expect(await verdict(token(name))).toBe('ok');
    expect(fetches).toBe(1);
  });

  it('fetches again beside the calls while it is in use', async () => {
    expect(await verdict(token('ES256'))).toBe('ok');
    later(KEY_SET_LIMITS.refreshAgeMs - 1);
    expect([await verdict(token('ES256')), fetches]).toEqual(['ok', 1]);
    const hanging: ServerResponse[] = [];
    const asked = new Promise<void>((resolve) => {
      answer = (response) => {
        hanging.push(response);
        resolve();
      };
    });
    later(1);
    // Nobody waits: the answer has not come, and these have theirs.
    expect([await verdict(token('ES256')), await verdict(token('RS256'))]).toEqual(['ok', 'ok']);
    await asked;
    expect(fetches).toBe(2);
    for (const response of hanging) response.end(JSON.stringify({ keys: [jwkOf('ES256')] }));
    await vi.waitFor(async () => expect(await verdict(token('RS256'))).toBe('unauthenticated'));
    expect([await verdict(token('ES256')), fetches]).toEqual(['ok', 2]);
  });

  it('fetches again before use when nobody has used it for too long', async () => {
    expect(await verdict(token('ES256'))).toBe('ok');
    later(KEY_SET_LIMITS.maxAgeMs);
    expect([await verdict(token('ES256')), fetches]).toEqual(['ok', 2]);
  });

  it('invented kids make one fetch a cooldown, however many come', async () => {
    expect(await verdict(token('RS256'))).toBe('ok');
    for (const invented of [1, 2, 3]) {
      later(KEY_SET_LIMITS.cooldownMs);
      const many = Array.from({ length: 20 }, () => token('RS256', { kid: randomUUID() }));
      expect(new Set(await Promise.all(many.map(verdict)))).toEqual(new Set(['unauthenticated']));
      expect(fetches).toBe(1 + invented);
    }
  });
});

describe('rotation', () => {
  it('a new kid is fetched once the cooldown has passed; an old one goes with its set', async () => {
    serve(jwkOf('RS256'));
    expect(await verdict(token('RS256'))).toBe('ok');
    serve(jwkOf('ES256'));
    expect([await verdict(token('ES256')), fetches]).toEqual(['unauthenticated', 1]);
    later(KEY_SET_LIMITS.cooldownMs);
    expect([await verdict(token('ES256')), fetches]).toEqual(['ok', 2]);
    expect(await verdict(token('RS256'))).toBe('unauthenticated');
  });

  it('a new token of a key that was taken back is let in no longer than a set may be old', async () => {
    expect(await verdict(token('RS256'))).toBe('ok');
    serve(jwkOf('ES256'));
    // Nobody asks for a key that is not in the old set, and nobody calls in between.
    later(KEY_SET_LIMITS.maxAgeMs);
    expect([await verdict(token('RS256')), fetches]).toEqual(['unauthenticated', 2]);
  });

  it('the docs say how long that is, with what is remembered', () => {
    const minutes = (ms: number) => `${ms / 60_000} minutes`;
    const page = readFileSync(new URL('../../docs/identity.md', import.meta.url), 'utf8');
    const { maxAgeMs, maxAgeAwayMs } = KEY_SET_LIMITS;
    const { cacheTtlMs } = AUTHENTICATOR_LIMITS;
    expect(page).toContain(`at most ${minutes(maxAgeMs + cacheTtlMs)}`);
    expect(page).toContain(`at most ${minutes(maxAgeAwayMs + cacheTtlMs)}`);
  });

  it('a token that is remembered is honoured for a minute after the set has lost its key', async () => {
    const known = token('RS256');
    expect(await verdict(known)).toBe('ok');
    serve(jwkOf('ES256'));
    later(AUTHENTICATOR_LIMITS.cacheTtlMs - 1_000);
    expect(await verdict(token('EdDSA', { kid: 'new' }))).toBe('unauthenticated');
    expect([await verdict(known), fetches]).toEqual(['ok', 2]);
    later(2_000);
    expect(await verdict(known)).toBe('unauthenticated');
  });
});

describe('what a token may choose', () => {
  it('without a kid: the one key that fits', async () => {
    for (const name of keyPairNames) {
      expect(await verdict(token(name, { kid: undefined }))).toBe('ok');
    }
  });

  it('never another algorithm, a symmetric key, or a key that is not for signatures', async () => {
    const oct = Buffer.from('a secret of at least thirty-two bytes');
    serve(
      jwkOf('RS256'),
      { kty: 'oct', kid: 'oct', k: oct.toString('base64url'), alg: 'HS256' },
      jwkOf('ES256', { use: 'enc' }),
      jwkOf('EdDSA', { key_ops: ['sign'] }),
    );
    const exp = nowSeconds() + 60;
    for (const forged of [
      hmacSigner(oct)({ alg: 'HS256', kid: 'oct' }, { sub, exp }),
      hmacSigner('')({ alg: 'HS256', kid: 'RS256' }, { sub, exp }),
      token('ES256', { kid: 'RS256' }),
      token('RS256', { kid: 'oct' }),
      token('RS256', { alg: 'PS256' }),
      token('RS256', { alg: 'RS512' }),
      token('ES256'),
      token('EdDSA'),
    ]) {
      expect(await verdict(forged)).toBe('unauthenticated');
    }
    expect(await verdict(token('RS256'))).toBe('ok');
  });
});

describe('an outage', () => {
  const broken: [string, () => void][] = [
    [
      '500',
      () => {
        answer = (response) => {
          response.statusCode = 500;
          response.end();
        };
      },
    ],
    [
      'a redirect',
      () => {
        answer = (response) => {
          response.writeHead(302, { location: `${url}/x` });
          response.end();
        };
      },
    ],
    [
      'HTML',
      () => {
        answer = (response) => response.end('<html>');
      },
    ],
    [
      'JSON that is no set',
      () => {
        answer = (response) => response.end('{"keys":{}}');
      },
    ],
    [
      'a set of no keys but texts',
      () => {
        answer = (response) => response.end('{"keys":["a"]}');
      },
    ],
    ['a set of no keys', () => serve()],
    ['a key without its parts', () => serve({ kty: 'RSA', kid: 'RS256', alg: 'RS256' })],
    [
      'a private key',
      () => serve({ ...keyPairs.RS256.privateKey.export({ format: 'jwk' }), kid: 'RS256' }),
    ],
    [
      'a connection that breaks',
      () => {
        answer = (response) => response.destroy();
      },
    ],
    [
      'an answer that breaks off',
      () => {
        answer = (response) => {
          response.writeHead(200, { 'content-length': '500' });
          response.write('{');
          response.destroy();
        };
      },
    ],
  ];

  it.each(broken)('%s is unavailable, and over when it is over', async (_what, breakIt) => {
    breakIt();
    expect(await verdict(token('RS256'))).toBe('unavailable');
    serve(jwkOf('RS256'));
    // A set that could be read but not used is one until somebody asks for another key.
    later(KEY_SET_LIMITS.maxAgeMs);
    expect(await verdict(token('RS256'))).toBe('ok');
  });

  it('is unavailable when the set does not come in time', async () => {
    const keySet = { ...KEY_SET_LIMITS, timeoutMs: 100 };
    authenticator = createAuthenticator(readConfig({ JWT_JWKS_URL: url }).auth, {
      ...AUTHENTICATOR_LIMITS,
      keySet,
    });
    const hanging: ServerResponse[] = [];
    answer = (response) => hanging.push(response);
    expect(await verdict(token('RS256'))).toBe('unavailable');
    for (const response of hanging) response.destroy();
  });

  it('an emptied set locks nobody out; one that has lost a key, its tokens', async () => {
    expect(await verdict(token('RS256'))).toBe('ok');
    serve();
    later(KEY_SET_LIMITS.maxAgeMs);
    expect([await verdict(token('RS256')), fetches]).toEqual(['ok', 2]);
    later(KEY_SET_LIMITS.maxAgeAwayMs - KEY_SET_LIMITS.maxAgeMs);
    expect(await verdict(token('RS256'))).toBe('unavailable');
    serve(jwkOf('ES256'));
    later(KEY_SET_LIMITS.retryPauseMs);
    expect(await verdict(token('RS256'))).toBe('unauthenticated');
  });

  it('is told once with its reason, and its end once', async () => {
    const told: (string | null)[] = [];
    const { auth } = readConfig({ JWT_JWKS_URL: url });
    authenticator = createAuthenticator(auth, AUTHENTICATOR_LIMITS, (why) => told.push(why));
    const asks = async () => {
      await verdict(token('RS256'));
      later(KEY_SET_LIMITS.maxAgeAwayMs);
    };
    await asks();
    expect(told).toEqual([]);
    broken[0]?.[1]();
    for (let n = 0; n < 3; n += 1) await asks();
    expect(told).toEqual(['answered 500']);
    serve(jwkOf('RS256'));
    for (let n = 0; n < 3; n += 1) await asks();
    expect(told).toEqual(['answered 500', null]);
    answer = (response) => response.destroy();
    await asks();
    expect(told.slice(2)).toEqual([expect.not.stringContaining('fetch failed')]);
  });

  it('is asked about once a second, however many tokens come', async () => {
    answer = (response) => response.destroy();
    for (let n = 0; n < 20; n += 1) expect(await verdict(token('RS256'))).toBe('unavailable');
    expect(fetches).toBe(1);
    later(KEY_SET_LIMITS.retryPauseMs);
    serve(jwkOf('RS256'));
    expect([await verdict(token('RS256')), fetches]).toEqual(['ok', 2]);
  });

  it('takes the old set for a time, without waiting, and then lets in only whom it remembers', async () => {
    expect(await verdict(token('RS256'))).toBe('ok');
    answer = (response) => response.destroy();
    later(KEY_SET_LIMITS.maxAgeMs);
    // The first waits for the answer that would have come; the others know.
    expect([await verdict(token('RS256')), fetches]).toEqual(['ok', 2]);
    const hanging: ServerResponse[] = [];
    const asked = new Promise<void>((resolve) => {
      answer = (response) => {
        hanging.push(response);
        resolve();
      };
    });
    later(KEY_SET_LIMITS.retryPauseMs);
    expect([await verdict(token('RS256')), await verdict(token('EdDSA'))]).toEqual(['ok', 'ok']);
    await asked;
    expect(fetches).toBe(3);
    for (const response of hanging) response.destroy();
    answer = (response) => response.destroy();
    later(KEY_SET_LIMITS.maxAgeAwayMs - KEY_SET_LIMITS.maxAgeMs - KEY_SET_LIMITS.retryPauseMs - 1);
    const known = token('RS256');
    expect(await verdict(known)).toBe('ok');
    later(1);
    expect([await verdict(known), await verdict(token('RS256'))]).toEqual(['ok', 'unavailable']);
    later(KEY_SET_LIMITS.retryPauseMs);
    serve(jwkOf('RS256'));
    expect([await verdict(token('RS256')), await verdict(token('EdDSA'))]).toEqual([
      'ok',
      'unauthenticated',
    ]);
  });
});

describe.each([3_600_000, -3_600_000, TEN_YEARS_MS, -TEN_YEARS_MS])(
  'a clock set by %i ms',
  (jumpMs) => {
    // Good by whichever clock.
    const lasting = (name: KeyPairName) =>
      token(name, {}, { exp: nowSeconds() + (3 * TEN_YEARS_MS) / 1_000 });
    const jump = () => vi.setSystemTime(Date.now() + jumpMs);

    it('makes a set neither older nor younger', async () => {
      serve(jwkOf('RS256'));
      expect(await verdict(lasting('RS256'))).toBe('ok');
      jump();
      expect([await verdict(lasting('RS256')), fetches]).toEqual(['ok', 1]);
      serve(jwkOf('ES256'));
      later(KEY_SET_LIMITS.cooldownMs);
      expect([await verdict(lasting('ES256')), fetches]).toEqual(['ok', 2]);
      later(KEY_SET_LIMITS.maxAgeMs);
      expect([await verdict(lasting('ES256')), fetches]).toEqual(['ok', 3]);
    });

    it('makes the pause after a failure neither longer nor shorter', async () => {
      answer = (response) => response.destroy();
      expect(await verdict(lasting('RS256'))).toBe('unavailable');
      jump();
      expect([await verdict(lasting('RS256')), fetches]).toEqual(['unavailable', 1]);
      later(KEY_SET_LIMITS.retryPauseMs);
      serve(jwkOf('RS256'));
      expect([await verdict(lasting('RS256')), fetches]).toEqual(['ok', 2]);
    });
  },
);

it('both doors: in with a key of the set, 503 unavailable while it is away', async () => {
  vi.useRealTimers();
  const db = await createTestDatabase();
  const app = await startTestApp(db.url, { JWT_JWKS_URL: url });
  try {
    answer = (response) => response.destroy();
    expect(await restVerdict(app, token('EdDSA'))).toBe('503 unavailable');
    expect(await socketVerdict(app, token('EdDSA'))).toBe('unavailable');
    serve(jwkOf('EdDSA'));
    await vi.waitFor(async () => expect(await restVerdict(app, token('EdDSA'))).toBe('ok: user'), {
      timeout: 10_000,
      interval: 100,
    });
    expect(await socketVerdict(app, token('EdDSA'))).toBe('ok');
  } finally {
    await app.stop();
    await db.drop();
  }
});
