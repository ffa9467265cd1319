/**
 * Tokens nobody may get in with, as data: RFC 8725 (JWT best current practices) and what has been
 * found against libraries over the years. `sign` is the *right* key unless a row says otherwise.
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  encode,
  hmacSigner,
  inAMinute,
  type Json,
  keySigner,
  nowSeconds,
  type Signer,
} from './forge.ts';

export interface Attacked {
  alg: 'HS256' | 'RS256';
  sign: Signer;
  /** A claims set that is believed when signed properly. */
  claims: Record<string, unknown>;
  /** Where a header may point to; it must never be asked. */
  elsewhere: string;
}

/** Name, token, and the code; left out: `unauthenticated`. */
export type Attack = [name: string, token: string, code?: 'token_expired'];

const withoutSignature = (header: Json, payload: Json): string =>
  `${encode(header)}.${encode(payload)}.`;

export function attacksOn({ alg, sign, claims, elsewhere }: Attacked): Attack[] {
  const header = { alg, typ: 'JWT' };
  const valid = sign(header, claims);
  const [head = '', body = '', signature = ''] = valid.split('.');
  const claiming = (more: Record<string, unknown>) => sign(header, { ...claims, ...more });
  const without = (...names: string[]) =>
    sign(header, Object.fromEntries(Object.entries(claims).filter(([n]) => !names.includes(n))));
  const raw = (text: string) => sign(header, JSON.stringify(claims).replace(/}$/, `,${text}}`));
  const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const attackerSigns = keySigner(attacker.privateKey);
  const jwk = attacker.publicKey.export({ format: 'jwk' });
  const sub = String(claims.sub);

  return [
    // ── the algorithm
    ...['none', 'None', 'NONE', 'nOnE', 'none ', '', 'undefined', 'HS1', alg.toLowerCase()].flatMap(
      (spelling): Attack[] => [
        [
          `alg ${JSON.stringify(spelling)}, no signature`,
          withoutSignature({ alg: spelling }, claims),
        ],
        [`alg ${JSON.stringify(spelling)}, a signature`, sign({ alg: spelling }, claims)],
      ],
    ),
    ['alg left out', sign({ typ: 'JWT' }, claims)],
    ['alg null', sign({ alg: null }, claims)],
    ['alg a list', sign({ alg: [alg] }, claims)],
    ['alg named twice, none last', sign(`{"alg":"${alg}","alg":"none"}`, claims)],
    ['alg __proto__', sign('{"alg":"__proto__"}', claims)],
    ['HS384 with the same key', hmacSigner('x', 'sha384')({ alg: 'HS384' }, claims)],
    // ── the signature
    ['no signature', `${head}.${body}.`],
    ['no signature and no dot', `${head}.${body}`],
    ['a signature of zeros', `${head}.${body}.${encode(Buffer.alloc(256))}`],
    [
      'a signature of another claims set',
      `${head}.${encode({ ...claims, role: 'service' })}.${signature}`,
    ],
    ['a signature of another header', `${encode({ ...header, kid: 'x' })}.${body}.${signature}`],
    ['an HMAC of somebody else’s secret', hmacSigner(randomBytes(32))({ alg: 'HS256' }, claims)],
    ['an RSA signature of somebody else', attackerSigns({ alg: 'RS256' }, claims)],
    ['a fourth part', `${valid}.${signature}`],
    ['a part of blanks', `${head}.${body}.%20`],
    // ── kid: a key looked up by what the token says
    ...[
      '',
      '/dev/null',
      '../../../../../../dev/null',
      "' UNION SELECT '' -- ",
      '0',
      '__proto__',
    ].map(
      (kid): Attack => [
        `an empty key by way of kid ${JSON.stringify(kid)}`,
        hmacSigner('')({ alg: 'HS256', kid }, claims),
      ],
    ),
    [
      'the key that a UNION would select',
      hmacSigner('k')({ alg: 'HS256', kid: "' UNION SELECT 'k' -- " }, claims),
    ],
    // ── keys that the token brings along
    ['jwk: its own public key', attackerSigns({ alg: 'RS256', jwk }, claims)],
    [
      'jku: its own key set',
      attackerSigns({ alg: 'RS256', jku: `${elsewhere}/jwks`, kid: 'x' }, claims),
    ],
    ['x5u: its own certificate', attackerSigns({ alg: 'RS256', x5u: `${elsewhere}/x5u` }, claims)],
    [
      'x5c: its own chain',
      attackerSigns({ alg: 'RS256', x5c: [derOf(attacker.publicKey)] }, claims),
    ],
    // ── the header's other words
    ['crit with an unknown extension', sign({ ...header, crit: ['bork'], bork: true }, claims)],
    ['crit that is empty', sign({ ...header, crit: [] }, claims)],
    ['crit that is no list', sign({ ...header, crit: 'exp' }, claims)],
    ['crit b64: an unencoded payload', sign({ ...header, crit: ['b64'], b64: false }, claims)],
    ['a header that is a list', `${encode('[]')}.${body}.${signature}`],
    ['a header that is no JSON', `${encode('{')}.${body}.${signature}`],
    // ── when
    ['exp left out', without('exp')],
    ...([`${inAMinute()}`, [inAMinute()], { $gt: 0 }, null, true] as const).map(
      (exp): Attack => [`exp ${JSON.stringify(exp)}`, claiming({ exp })],
    ),
    ['exp in the past', claiming({ exp: nowSeconds() - 1 }), 'token_expired'],
    ['exp 0', claiming({ exp: 0 }), 'token_expired'],
    ['exp negative', claiming({ exp: -inAMinute() }), 'token_expired'],
    ['exp named twice, the past last', raw('"exp":1'), 'token_expired'],
    ['nbf in the future', claiming({ nbf: inAMinute() })],
    ['nbf a text', claiming({ nbf: '0' })],
    ['nbf a list', claiming({ nbf: [0] })],
    ['iat a text', claiming({ iat: 'now' })],
    // ── for whom
    ['iss of somebody else', claiming({ iss: 'https://evil.example' })],
    ['iss left out', without('iss')],
    ['iss a list with the right one', claiming({ iss: [claims.iss] })],
    ['iss with a slash more', claiming({ iss: `${claims.iss}/` })],
    ['aud of somebody else', claiming({ aud: 'another-service' })],
    ['aud left out', without('aud')],
    ['aud a list without the right one', claiming({ aud: ['a', 'b'] })],
    ['aud an object', claiming({ aud: { [String(claims.aud)]: true } })],
    ['aud a list in a list', claiming({ aud: [[claims.aud]] })],
    // ── who
    ['nobody', without('sub')],
    ...[
      'alice',
      '',
      '1',
      `{${sub}}`,
      `${sub}\n`,
      `${sub}\0`,
      ` ${sub}`,
      `urn:uuid:${sub}`,
      sub.replaceAll('-', ''),
      `${sub}' OR '1'='1`,
    ].map((who): Attack => [`sub ${JSON.stringify(who)}`, claiming({ sub: who })]),
    ...([[sub], { $ne: null }, 0, true, [[sub]]] as const).map(
      (who): Attack => [`sub ${JSON.stringify(who).slice(0, 20)}`, claiming({ sub: who })],
    ),
    ['a sub that is none beats a userId', claiming({ sub: 'alice', userId: sub })],
    ['userId a list', sign(header, { ...claims, sub: undefined, userId: [sub] })],
    ['sub named twice, nobody last', raw('"sub":"nobody"')],
    ...([['service'], { service: true }, 'SERVICE', 'service ', true, 'user,service'] as const).map(
      (role): Attack => [
        `role ${JSON.stringify(role)} is no service`,
        sign(header, { ...claims, sub: undefined, role }),
      ],
    ),
    ['role inherited', sign(header, `{"exp":${inAMinute()},"__proto__":{"role":"service"}}`)],
    // ── what is no claims set
    ...['[]', 'null', '5', '"text"', '', '{', `[${JSON.stringify(claims)}]`].map(
      (text): Attack => [`a payload ${JSON.stringify(text).slice(0, 12)}`, sign(header, text)],
    ),
    ['a payload that is not UTF-8', sign(header, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
    ['a JWT in a JWT', sign({ ...header, cty: 'JWT' }, valid)],
    ['a huge one', claiming({ fill: 'x'.repeat(8_192) })],
    ...['', '.', '..', '...', 'x', 'x.y.z', 'null', '[object Object]'].map(
      (text): Attack => [`${JSON.stringify(text)}`, text],
    ),
  ];
}

const derOf = (key: KeyObject): string =>
  key.export({ format: 'der', type: 'spki' }).toString('base64');
