/**
 * The keys tokens are verified with, each bound to the algorithms of its kind: an HMAC secret only
 * ever verifies HS256, a public key only what its own type signs. What a token's header says can
 * choose among these and nothing else, which is what stops `alg: none` and HS256 signed with a
 * public key (RFC 8725 section 3.1).
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWTVerifyGetKey } from 'jose';
import { ASYMMETRIC, createKeySet, type KeySetLimits, type OnKeySet } from './key-set.ts';

export interface KeySettings {
  /** The secret of HS256. */
  jwtSecret: string | null;
  /** PEM (SPKI or certificate) of an RSA, P-256 or Ed25519 key. */
  jwtPublicKey: string | null;
  /** Where a JSON Web Key Set is fetched from. */
  jwksUrl: string | null;
}

export interface Keys {
  /** The algorithms for which there is a key. */
  readonly algorithms: string[];
  readonly find: JWTVerifyGetKey;
}

/**
 * The keys that `settings` name.
 *
 * @throws Error in one sentence when a key cannot be read or is of a kind that is not allowed
 */
export function createKeys(
  settings: KeySettings,
  keySetLimits: KeySetLimits,
  onKeySet?: OnKeySet,
): Keys {
  const byAlgorithm = new Map<string, JWTVerifyGetKey>();
  if (settings.jwksUrl !== null) {
    const keySet = createKeySet(settings.jwksUrl, keySetLimits, onKeySet);
    for (const algorithm of ASYMMETRIC) byAlgorithm.set(algorithm, keySet);
  }
  if (settings.jwtPublicKey !== null) {
    const { key, algorithm } = readPublicKey(settings.jwtPublicKey);
    byAlgorithm.set(algorithm, () => key);
  }
  if (settings.jwtSecret !== null) {
    // Whoever knows the public key, that is everybody, could sign.
    if (/-----BEGIN [A-Z ]*(?:PUBLIC KEY|CERTIFICATE)-----/.test(settings.jwtSecret)) {
      throw new Error('JWT_SECRET is a public key or certificate: that belongs in JWT_PUBLIC_KEY.');
    }
    const secret = new TextEncoder().encode(settings.jwtSecret);
    byAlgorithm.set('HS256', () => secret);
  }
  return {
    algorithms: [...byAlgorithm.keys()],
    find: (header, token) => {
      const find = byAlgorithm.get(header.alg);
      if (find === undefined) throw new Error('no key for this algorithm');
      return find(header, token);
    },
  };
}

/** The key and the one algorithm it may verify. */
function readPublicKey(text: string): { key: KeyObject; algorithm: string } {
  // Node would derive the public key from it; but then every node could sign.
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new Error('JWT_PUBLIC_KEY is a private key: this service needs the public one only.');
  }
  let key: KeyObject;
  try {
    // In an environment variable the line breaks of a PEM are often written as \n.
    key = createPublicKey(text.replaceAll('\\n', '\n'));
  } catch {
    throw new Error('JWT_PUBLIC_KEY is not understood: it is a PEM public key or certificate.');
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'rsa') {
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
      throw new Error('JWT_PUBLIC_KEY is too short: RSA needs at least 2048 bits.');
    }
    return { key, algorithm: 'RS256' };
  }
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') return { key, algorithm: 'ES256' };
  if (key.asymmetricKeyType === 'ed25519') return { key, algorithm: 'EdDSA' };
  throw new Error('JWT_PUBLIC_KEY is of a kind that is not allowed: RSA, P-256 or Ed25519.');
}
