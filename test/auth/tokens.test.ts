/** No forged, broken or foreign token gets in, on REST, in the handshake, or as a refreshed one. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactEncrypt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connected, startTestApp, type TestApp } from '../support/app.ts';
import { usePeople } from '../support/scene.ts';
import { attacksOn } from './attacks.ts';
import {
  hmacSigner,
  inAMinute,
  keyPairs,
  keySigner,
  nowSeconds,
  pemOf,
  type Signer,
} from './forge.ts';
import { refreshVerdict, restVerdict, socketVerdict } from './verdicts.ts';

const secret = 'a secret of at least thirty-two bytes';
const serviceTokens = ['a-service-token-of-one-backend', 'a-service-token-of-the-other-one'];
const [iss, aud] = ['https://issuer.example', 'messaging'];
const publicPem = pemOf(keyPairs.RS256.publicKey);

const scene = usePeople();
/** Every door that a token's header could point at; counts who comes. */
let elsewhere: string;
let visits = 0;
const pointedAt = createServer((_request, response) => {
  visits += 1;
  response.end('{}');
});

beforeAll(async () => {
  await new Promise<void>((resolve) => pointedAt.listen(0, '127.0.0.1', resolve));
  elsewhere = `http://127.0.0.1:${(pointedAt.address() as AddressInfo).port}`;
});
afterAll(async () => {
  pointedAt.close();
});

const claims = () => ({ sub: scene.alice.id, exp: inAMinute(), iss, aud });

const settings: {
  alg: 'HS256' | 'RS256';
  sign: Signer;
  env: Record<string, string>;
}[] = [
  { alg: 'HS256', sign: hmacSigner(secret), env: { JWT_SECRET: secret } },
  {
    alg: 'RS256',
    sign: keySigner(keyPairs.RS256.privateKey),
    env: { JWT_PUBLIC_KEY: publicPem },
  },
];

describe.each(settings)('with a key for $alg', ({ alg, sign, env }) => {
  let app: TestApp;
  let live: ReturnType<TestApp['connect']>;

  beforeAll(async () => {
    app = await startTestApp(scene.db.url, {
      ...env,
      JWT_ISSUER: iss,
      JWT_AUDIENCE: aud,
      SERVICE_TOKENS: serviceTokens.join(','),
    });
    live = app.connect('', { auth: { token: sign({ alg }, claims()) }, query: {} });
    await connected(live);
  });
  afterAll(() => app.stop());

  const verdicts = async (token: string) => ({
    rest: await restVerdict(app, token),
    socket: await socketVerdict(app, token),
    refresh: await refreshVerdict(live, token),
  });
  const refused = (code = 'unauthenticated') => ({
    rest: `401 ${code}`,
    socket: code,
    refresh: code,
  });
  const believed = { rest: 'ok: user', socket: 'ok', refresh: 'ok' };

  it('believes a proper token, whatever else its header says', async () => {
    for (const more of [{}, { kid: 'any' }, { typ: 'at+jwt' }, { jku: `${elsewhere}/jwks` }]) {
      expect(await verdicts(sign({ alg, ...more }, claims()))).toEqual(believed);
    }
    expect(await verdicts(sign({ alg }, { ...claims(), aud: ['x', aud] }))).toEqual(believed);
    expect(await verdicts(sign({ alg }, { ...claims(), nbf: nowSeconds() - 5 }))).toEqual(believed);
    const { sub, ...nameless } = claims();
    expect(await verdicts(sign({ alg }, { ...nameless, userId: sub }))).toEqual(believed);
  });

  it('a list of roles with service in it makes no service of a user', async () => {
    const token = sign({ alg }, { ...claims(), role: ['service'] });
    expect(await restVerdict(app, token)).toBe('ok: user');
    const service = sign({ alg }, { exp: inAMinute(), iss, aud, role: 'service' });
    expect(await restVerdict(app, service)).toBe('ok: service');
  });

  it('refuses every forged, broken or foreign token on every door', async () => {
    const attacks = attacksOn({ alg, sign, claims: claims(), elsewhere });
    const seen: Record<string, object> = {};
    const expected: Record<string, object> = {};
    for (const [name, token, code] of attacks) {
      seen[name] = await verdicts(token);
      expected[name] = refused(code);
      // The payload's schema wants at least a character.
      if (token === '') expected[name] = { ...refused(), refresh: 'invalid_request' };
    }
    expect(Object.keys(seen).length).toBe(attacks.length);
    expect(seen).toEqual(expected);
    expect(live.connected).toBe(true);
  }, 60_000);

  it('refuses an HMAC made with the public key, in whatever form it was at hand', async () => {
    const { n = '' } = keyPairs.RS256.publicKey.export({ format: 'jwk' });
    const forms: (string | Buffer)[] = [
      publicPem,
      publicPem.trimEnd(),
      publicPem.replaceAll('\n', '\\n'),
      publicPem.replaceAll(/-----[^-]+-----|\n/g, ''),
      keyPairs.RS256.publicKey.export({ format: 'der', type: 'spki' }),
      keyPairs.RS256.publicKey.export({ format: 'pem', type: 'pkcs1' }),
      JSON.stringify(keyPairs.RS256.publicKey.export({ format: 'jwk' })),
      n,
    ];
    for (const form of forms) {
      for (const header of [{ alg: 'HS256' }, { alg: 'RS256' }]) {
        expect(await verdicts(hmacSigner(form)(header, claims()))).toEqual(refused());
      }
    }
  });

  it('refuses an encrypted token', async () => {
    const encrypted = await new CompactEncrypt(Buffer.from(sign({ alg }, claims())))
      .setProtectedHeader({ alg: 'RSA-OAEP', enc: 'A256GCM', cty: 'JWT' })
      .encrypt(keyPairs.RS256.publicKey);
    expect(await verdicts(encrypted)).toEqual(refused());
    const shared = await new CompactEncrypt(Buffer.from(JSON.stringify(claims())))
      .setProtectedHeader({ alg: 'dir', enc: 'A128CBC-HS256' })
      .encrypt(Buffer.from(secret).subarray(0, 32));
    expect(await verdicts(shared)).toEqual(refused());
  });

  it('takes the service tokens, whole and only those', async () => {
    const [first = '', second = ''] = serviceTokens;
    for (const token of serviceTokens) {
      expect([await restVerdict(app, token), await socketVerdict(app, token)]).toEqual([
        'ok: service',
        'ok',
      ]);
      // A person's connection does not become a backend's.
      expect(await refreshVerdict(live, token)).toBe('identity_mismatch');
    }
    for (const token of [
      first.slice(0, -1),
      `${first}x`,
      `${first},${second}`,
      first.toUpperCase(),
    ]) {
      expect(await verdicts(token)).toEqual(refused());
    }
  });

  it('another scheme, a stated id or nothing is nobody', async () => {
    const token = sign({ alg }, claims());
    const status = async (headers: Record<string, string>) => {
      const response = await fetch(`${app.url}/messages/${scene.alice.id}`, { headers });
      await response.arrayBuffer();
      return response.status;
    };
    expect(await status({ authorization: `bearer ${token}` })).toBe(403);
    for (const headers of [
      {},
      { authorization: token },
      { authorization: `Basic ${token}` },
      { authorization: `Bearer${token}` },
      { authorization: `Bearer ${token} ${token}` },
      { 'x-user-id': scene.alice.id },
      { cookie: `token=${token}` },
    ]) {
      expect([headers, await status(headers)]).toEqual([headers, 401]);
    }
    // A query is written to access logs of proxies: REST does not read it.
    const response = await fetch(`${app.url}/messages/${scene.alice.id}?token=${token}`);
    expect(response.status).toBe(401);
  });

  it('a handshake’s auth.token that is no text is nobody', async () => {
    for (const token of [{}, [sign({ alg }, claims())], 5, true, null]) {
      expect(await socketVerdict(app, token as unknown as string)).toBe('unauthenticated');
    }
  });

  it('asks nobody whom a token names', () => {
    expect(visits).toBe(0);
  });
});
