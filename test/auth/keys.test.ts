/** Which keys are taken, in which form, and which algorithm each is good for. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import { AUTHENTICATOR_LIMITS } from '../../src/bounds/auth.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import {
  certificateOf,
  hmacSigner,
  inAMinute,
  keyPairNames,
  keyPairs,
  keySigner,
  nowSeconds,
  pemOf,
} from './forge.ts';

const sub = randomUUID();
const secret = 'a secret of at least thirty-two bytes';

function authenticatorWith(env: Record<string, string>) {
  const authenticator = createAuthenticator(readConfig(env).auth, AUTHENTICATOR_LIMITS);
  return (token: string) =>
    authenticator
      .authenticate({ token, statedUserId: undefined, anonymousIsService: false })
      .catch((error: { code: string }) => error.code);
}

describe.each(keyPairNames)('JWT_PUBLIC_KEY for %s', (alg) => {
  const { publicKey, privateKey } = keyPairs[alg];
  const exp = inAMinute();
  const user = { kind: 'user', userId: sub, expiresAtMs: exp * 1000 };

  it.each([
    ['PEM', pemOf(publicKey)],
    ['PEM with its line breaks written as \\n', pemOf(publicKey).trim().replaceAll('\n', '\\n')],
    ['PEM with CRLF', pemOf(publicKey).replaceAll('\n', '\r\n')],
  ])('%s', async (_form, JWT_PUBLIC_KEY) => {
    const authenticate = authenticatorWith({ JWT_PUBLIC_KEY });
    expect(await authenticate(keySigner(privateKey)({ alg }, { sub, exp }))).toEqual(user);
  });

  it('verifies nothing that another kind of key signed, nor its own under another name', async () => {
    const authenticate = authenticatorWith({ JWT_PUBLIC_KEY: pemOf(publicKey) });
    for (const other of keyPairNames) {
      if (other === alg) continue;
      const sign = keySigner(keyPairs[other].privateKey);
      expect(await authenticate(sign({ alg: other }, { sub, exp }))).toBe('unauthenticated');
      const renamed = keySigner(privateKey)({ alg: other }, { sub, exp });
      expect(await authenticate(renamed)).toBe('unauthenticated');
    }
    for (const name of ['RS384', 'RS512', 'PS256', 'ES384', 'ES256K', 'Ed448', 'HS256', 'none']) {
      const renamed = keySigner(privateKey)({ alg: name }, { sub, exp });
      expect([name, await authenticate(renamed)]).toEqual([name, 'unauthenticated']);
    }
  });

  it('does not make JWT_SECRET and the public key one: each has its own algorithm', async () => {
    const authenticate = authenticatorWith({
      JWT_PUBLIC_KEY: pemOf(publicKey),
      JWT_SECRET: secret,
    });
    expect(await authenticate(keySigner(privateKey)({ alg }, { sub, exp }))).toEqual(user);
    expect(await authenticate(hmacSigner(secret)({ alg: 'HS256' }, { sub, exp }))).toEqual(user);
    for (const confused of [
      hmacSigner(pemOf(publicKey))({ alg: 'HS256' }, { sub, exp }),
      hmacSigner(secret)({ alg }, { sub, exp }),
      keySigner(privateKey)({ alg: 'HS256' }, { sub, exp }),
    ]) {
      expect(await authenticate(confused)).toBe('unauthenticated');
    }
  });
});

it('takes the public key out of a certificate', async () => {
  const certificate = certificateOf(keyPairs.EdDSA);
  const authenticate = authenticatorWith({ JWT_PUBLIC_KEY: certificate });
  const token = keySigner(keyPairs.EdDSA.privateKey)({ alg: 'EdDSA' }, { sub, exp: inAMinute() });
  expect(await authenticate(token)).toMatchObject({ userId: sub });
});

describe('a key that is refused at the start, with a sentence that names the setting', () => {
  const pem = (key: { publicKey: Parameters<typeof pemOf>[0] }) => pemOf(key.publicKey);
  it.each([
    ['no PEM', { JWT_PUBLIC_KEY: 'secret' }],
    ['half a PEM', { JWT_PUBLIC_KEY: pem(keyPairs.RS256).slice(0, 200) }],
    [
      'a short RSA key',
      { JWT_PUBLIC_KEY: pem(generateKeyPairSync('rsa', { modulusLength: 1024 })) },
    ],
    ['P-384', { JWT_PUBLIC_KEY: pem(generateKeyPairSync('ec', { namedCurve: 'P-384' })) }],
    ['secp256k1', { JWT_PUBLIC_KEY: pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })) }],
    ['Ed448', { JWT_PUBLIC_KEY: pem(generateKeyPairSync('ed448')) }],
    ['X25519', { JWT_PUBLIC_KEY: pem(generateKeyPairSync('x25519')) }],
    ['RSA-PSS', { JWT_PUBLIC_KEY: pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 })) }],
    [
      'a private key',
      {
        JWT_PUBLIC_KEY: keyPairs.EdDSA.privateKey
          .export({ format: 'pem', type: 'pkcs8' })
          .toString(),
      },
    ],
    ['a public key as the secret', { JWT_SECRET: pem(keyPairs.RS256) }],
    ['a certificate as the secret', { JWT_SECRET: certificateOf(keyPairs.EdDSA) }],
  ])('%s', (_what, env) => {
    const [name = ''] = Object.keys(env);
    const start = () => createAuthenticator(readConfig(env).auth, AUTHENTICATOR_LIMITS);
    expect(start).toThrow(name);
    // The sentence goes to a terminal and into logs.
    expect(start).not.toThrow(/MII|BEGIN/);
  });

  it.each([
    ['a short secret', { JWT_SECRET: 'short' }],
    ['a short service token', { SERVICE_TOKENS: 'long-enough-a-token-of-a-backend,short' }],
    [
      'a key set by plain HTTP in production',
      {
        JWT_JWKS_URL: 'http://keys.example/jwks',
        NODE_ENV: 'production',
        DATABASE_URL: 'postgres://db.example/x',
      },
    ],
    ['jwt without a key', { AUTH_MODE: 'jwt' }],
    ['insecure in production', { NODE_ENV: 'production', DATABASE_URL: 'postgres://db.example/x' }],
  ])('%s', (_what, env) => {
    expect(() => readConfig(env)).toThrow(ConfigError);
  });
});

describe('JWT_CLOCK_TOLERANCE_SECONDS', () => {
  const sign = hmacSigner(secret);
  const authenticate = authenticatorWith({
    JWT_SECRET: secret,
    JWT_CLOCK_TOLERANCE_SECONDS: '30',
  });

  it('forgives exp and nbf that much, and the actor lives that long', async () => {
    const exp = nowSeconds() - 10;
    expect(await authenticate(sign({ alg: 'HS256' }, { sub, exp }))).toEqual({
      kind: 'user',
      userId: sub,
      expiresAtMs: (exp + 30) * 1000,
    });
    const early = { sub, exp: inAMinute(), nbf: nowSeconds() + 20 };
    expect(await authenticate(sign({ alg: 'HS256' }, early))).toMatchObject({ userId: sub });
  });

  it('and no more', async () => {
    const late = { sub, exp: nowSeconds() - 31 };
    expect(await authenticate(sign({ alg: 'HS256' }, late))).toBe('token_expired');
    const early = { sub, exp: nowSeconds() + 99, nbf: nowSeconds() + 50 };
    expect(await authenticate(sign({ alg: 'HS256' }, early))).toBe('unauthenticated');
  });
});

it('an exp beyond every calendar is the end of the calendar', async () => {
  const authenticate = authenticatorWith({ JWT_SECRET: secret });
  for (const exp of ['1e300', '1e999', '9007199254740993']) {
    const actor = await authenticate(
      hmacSigner(secret)({ alg: 'HS256' }, `{"sub":"${sub}","exp":${exp}}`),
    );
    expect(actor).toEqual({ kind: 'user', userId: sub, expiresAtMs: 8.64e15 });
  }
});

describe('AUTH_MODE=insecure', () => {
  const { authenticate } = createAuthenticator(readConfig({}).auth, AUTHENTICATOR_LIMITS);
  const stated = (statedUserId: string | undefined, anonymousIsService = true) =>
    authenticate({ token: undefined, statedUserId, anonymousIsService }).catch(
      (error: { code: string }) => error.code,
    );

  it('believes a stated UUID, and takes who states nothing on REST for a service', async () => {
    const user = { kind: 'user', userId: sub, expiresAtMs: null };
    expect(await stated(sub)).toEqual(user);
    expect(await stated(sub.toUpperCase())).toEqual(user);
    expect(await stated(undefined)).toEqual({ kind: 'service', expiresAtMs: null });
    expect(await stated(undefined, false)).toBe('unauthenticated');
  });

  it('says of a token that it takes none', async () => {
    const given = { token: 'any', statedUserId: undefined, anonymousIsService: false };
    await expect(authenticate(given)).rejects.toThrow('AUTH_MODE=insecure takes no tokens');
  });

  it('takes a client that lost its user for nobody, not for a service', async () => {
    for (const id of ['', ' ', 'undefined', 'null', `${sub}, ${sub}`]) {
      expect([id, await stated(id)]).toEqual([id, 'unauthenticated']);
    }
  });
});
