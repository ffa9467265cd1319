/** Whether tokens could be verified: a start does not wait for the set, and calls fail while it is away. */
import { fetchKeySet, isUsable, whyNotFetched } from '../auth/key-set.ts';
import { KEY_SET_LIMITS } from '../bounds/auth.ts';
import { type Finding, ok, problem } from './finding.ts';

const SUBJECT = 'Key set';
const ADVICE = 'Tokens it has keys for are refused: look at JWT_JWKS_URL and the issuer.';

/** The finding about the key set at `url`; one that cannot be fetched or used is a finding. */
export async function checkKeySet(url: string): Promise<Finding> {
  try {
    const set = await fetchKeySet(url, KEY_SET_LIMITS);
    if (await isUsable(set)) return ok(SUBJECT, 'can be fetched');
    return problem(SUBJECT, 'has no key that can be used (RS256, ES256, EdDSA)', ADVICE);
  } catch (error) {
    return problem(SUBJECT, `cannot be fetched: ${whyNotFetched(error)}`, ADVICE);
  }
}
