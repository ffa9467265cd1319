/** Whether tokens could be verified: a start does not wait for the set, and calls fail while it is away. */
import { fetchKeys } from '../auth/key-set.ts';
import { KEY_SET_LIMITS } from '../bounds/auth.ts';
import { reasonOf } from '../shared/reason.ts';
import { type Finding, ok, problem } from './finding.ts';

const SUBJECT = 'Key set';

/** The finding about the key set at `url`; one that cannot be fetched is a finding. */
export async function checkKeySet(url: string): Promise<Finding> {
  try {
    await fetchKeys(url, KEY_SET_LIMITS);
    return ok(SUBJECT, 'can be fetched');
  } catch (error) {
    // What went wrong on the way stands behind `fetch failed`.
    const reason = reasonOf(error instanceof Error ? (error.cause ?? error) : error);
    const advice = 'Tokens it has keys for are refused: look at JWT_JWKS_URL and the issuer.';
    return problem(SUBJECT, `cannot be fetched: ${reason}`, advice);
  }
}
