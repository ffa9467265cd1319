/** The cache of verified tokens: never mixes callers, never outlives exp, bounded. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import { AUTHENTICATOR_LIMITS } from '../../src/bounds/auth.ts';
import { readConfig } from '../../src/config.ts';
import { hmacSigner, inAMinute, nowSeconds } from './forge.ts';

const secret = 'a secret of at least thirty-two bytes';
const sign = hmacSigner(secret);
const backend = 'a-service-token-of-one-backend';
const config = readConfig({ JWT_SECRET: secret, SERVICE_TOKENS: backend }).auth;

function authenticatorOf(maxCachedTokens: number) {
  const authenticator = createAuthenticator(config, {
    ...AUTHENTICATOR_LIMITS,
    maxCachedTokens,
  });
  return {
    cachedTokens: authenticator.cachedTokens,
    who: (token: string) =>
      authenticator.authenticate({ token, statedUserId: undefined, anonymousIsService: true }).then(
        (actor) => (actor.kind === 'user' ? actor.userId : 'a service'),
        (error: { code: string }) => error.code,
      ),
  };
}

afterEach(() => {
  vi.useRealTimers();
});

it('gives every caller its own identity, however tokens come, at once or evicting each other', async () => {
  const people = Array.from({ length: 6 }, () => randomUUID());
  const exp = inAMinute() + 600;
  // Tokens that differ little: one person's many, many people's alike, valid and broken twins.
  const cards: { token: string; who: string }[] = people.flatMap((sub, n) => {
    const token = sign({ alg: 'HS256' }, { sub, exp });
    const next = people[(n + 1) % people.length] ?? '';
    const [head, , signature] = token.split('.');
    const [, otherBody] = sign({ alg: 'HS256' }, { sub: next, exp }).split('.');
    return [
      { token, who: sub },
      { token: sign({ alg: 'HS256' }, { sub, exp, jti: '1' }), who: sub },
      { token: sign({ alg: 'HS256' }, { exp, userId: sub }), who: sub },
      { token: sign({ alg: 'HS256' }, { sub: next, userId: sub, exp }), who: next },
      { token: sign({ alg: 'HS256' }, { sub, exp, role: 'service' }), who: 'a service' },
      { token: sign({ alg: 'HS256' }, { sub, exp: nowSeconds() - 5 }), who: 'token_expired' },
      { token: `${head}.${otherBody}.${signature}`, who: 'unauthenticated' },
      { token: `${token}x`, who: 'unauthenticated' },
      { token: token.slice(0, -5), who: 'unauthenticated' },
      {
        token: hmacSigner('another secret')({ alg: 'HS256' }, { sub, exp }),
        who: 'unauthenticated',
      },
      { token: backend, who: 'a service' },
    ];
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.constantFrom(...cards), { minLength: 1, maxLength: 12 }), {
        maxLength: 6,
      }),
      fc.constantFrom(1, 3, 1_000),
      async (rounds, maxCachedTokens) => {
        const { who, cachedTokens } = authenticatorOf(maxCachedTokens);
        for (const round of rounds) {
          const seen = await Promise.all(round.map(({ token }) => who(token)));
          expect(seen).toEqual(round.map((card) => card.who));
          expect(cachedTokens()).toBeLessThanOrEqual(maxCachedTokens);
        }
      },
    ),
    { numRuns: 150 },
  );
});

it('is bounded, remembers what is valid and nothing else', async () => {
  const { who, cachedTokens } = authenticatorOf(10);
  for (let n = 0; n < 50; n += 1) {
    const sub = randomUUID();
    expect(await who(sign({ alg: 'HS256' }, { sub, exp: inAMinute() }))).toBe(sub);
    expect(cachedTokens()).toBe(Math.min(n + 1, 10));
  }
  const other = authenticatorOf(10);
  for (let n = 0; n < 20; n += 1) await other.who(`broken.${n}.token`);
  await other.who(sign({ alg: 'HS256' }, { sub: 'nobody', exp: inAMinute() }));
  await other.who(sign({ alg: 'HS256' }, { sub: randomUUID(), exp: nowSeconds() - 1 }));
  await other.who(backend);
  expect(other.cachedTokens()).toBe(0);
});

it('refuses a token that expires while it is remembered, at its exp', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  const { who, cachedTokens } = authenticatorOf(10);
  const sub = randomUUID();
  const exp = nowSeconds() + 30;
  const token = sign({ alg: 'HS256' }, { sub, exp });
  expect(await who(token)).toBe(sub);
  vi.setSystemTime(exp * 1000 - 1);
  expect(await who(token)).toBe(sub);
  expect(cachedTokens()).toBe(1);
  vi.setSystemTime(exp * 1000);
  expect(await who(token)).toBe('token_expired');
});

it('forgets after its time, whatever exp says', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() });
  // The faked clock starts at 0, which the cache takes for no time at all.
  vi.advanceTimersByTime(1);
  const { who } = authenticatorOf(10);
  const sub = randomUUID();
  const token = sign({ alg: 'HS256' }, { sub, exp: inAMinute() + 600, nbf: nowSeconds() });
  expect(await who(token)).toBe(sub);
  // Verified again is what it must be: seen by a clock that went back before nbf meanwhile.
  vi.advanceTimersByTime(AUTHENTICATOR_LIMITS.cacheTtlMs + 1);
  vi.setSystemTime(Date.now() - 600_000);
  expect(await who(token)).toBe('unauthenticated');
});
