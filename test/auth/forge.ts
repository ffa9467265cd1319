/** Tokens made by hand: what a library would not sign is exactly what has to be tried. */
import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** JSON as given: a text is taken verbatim, for what JSON.stringify would not write. */
export type Json = string | object;

export const encode = (part: Json | Buffer): string =>
  (part instanceof Buffer
    ? part
    : Buffer.from(typeof part === 'string' ? part : JSON.stringify(part))
  ).toString('base64url');

/** Signs any header and payload, whatever they say. */
export type Signer = (header: Json, payload: Json | Buffer) => string;

export function hmacSigner(secret: string | Buffer, hash = 'sha256'): Signer {
  return (header, payload) => {
    const input = `${encode(header)}.${encode(payload)}`;
    return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
  };
}

export function keySigner(key: KeyObject): Signer {
  return (header, payload) => {
    const input = `${encode(header)}.${encode(payload)}`;
    const signature =
      key.asymmetricKeyType === 'ed25519'
        ? sign(null, Buffer.from(input), key)
        : createSign('sha256').update(input).sign({ key, dsaEncoding: 'ieee-p1363' });
    return `${input}.${signature.toString('base64url')}`;
  };
}

export const keyPairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
};
export type KeyPairName = keyof typeof keyPairs;
export const keyPairNames: KeyPairName[] = ['RS256', 'ES256', 'EdDSA'];

export const pemOf = (key: KeyObject): string =>
  key.export({ format: 'pem', type: 'spki' }).toString();

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);
export const inAMinute = (): number => nowSeconds() + 60;

const der = (tag: number, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  const length =
    body.length < 128
      ? Buffer.from([body.length])
      : body.length < 256
        ? Buffer.from([0x81, body.length])
        : Buffer.from([0x82, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
};

/** A self-signed X.509 certificate (RFC 5280 section 4.1, Ed25519 by RFC 8410) of an Ed25519 key. */
export function certificateOf({
  publicKey,
  privateKey,
}: {
  publicKey: KeyObject;
  privateKey: KeyObject;
}) {
  const algorithm = der(0x30, der(0x06, Buffer.from([0x2b, 0x65, 0x70])));
  const commonName = der(0x06, Buffer.from([0x55, 0x04, 0x03]));
  const name = der(0x30, der(0x31, der(0x30, commonName, der(0x0c, Buffer.from('test')))));
  const time = (text: string) => der(0x17, Buffer.from(text));
  const toBeSigned = der(
    0x30,
    der(0x02, Buffer.from([1])), // version 1, serial 1
    algorithm,
    name,
    der(0x30, time('250101000000Z'), time('450101000000Z')),
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
  );
  const signature = sign(null, toBeSigned, privateKey);
  const whole = der(0x30, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
